using Microsoft.ML.LoraInit.Inference;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>
/// A window of a pipeline step: adapters are looked up and texts tokenised by other threads as soon as it is read, the forward passes queued or
/// computed by the thread that reads. What fails ahead is done again in its turn: an adapter may have come meanwhile, and errors belong after
/// the rows before them.
/// </summary>
internal sealed class LibraryRun : ScoringRun<AdapterPrediction>
{
    private readonly MixedPredictor _predictor;
    private readonly Func<CancellationToken, LibraryWork> _begin;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task<LibraryWork?> _ahead;

    /// <param name="predictor">Scores.</param>
    /// <param name="begin">Looks adapters up and tokenises.</param>
    public LibraryRun(MixedPredictor predictor, Func<CancellationToken, LibraryWork> begin)
    {
        (_predictor, _begin) = (predictor, begin);
        _ahead = Task.Run(() => Ahead(_stop.Token));
    }

    public override void Advance()
    {
        if (_predictor.IsAsynchronous)
            _ahead.Result?.Queue(_predictor);
    }

    public override AdapterPrediction[] Take()
    {
        if (_ahead.Result is { } work)
            return work.Read(_predictor);
        using var now = _begin(CancellationToken.None);
        return now.Read(_predictor);
    }

    protected override void Dispose(bool disposing)
    {
        _stop.Cancel();
        _ahead.Result?.Dispose(); // Soon, now that it is cancelled: a text at most.
        _stop.Dispose();
        base.Dispose(disposing);
    }

    private LibraryWork? Ahead(CancellationToken stop)
    {
        try
        {
            return _begin(stop);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return null;
        }
    }
}
