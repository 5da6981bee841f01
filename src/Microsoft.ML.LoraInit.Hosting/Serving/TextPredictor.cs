using System.Diagnostics;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.ML.LoraInit.Hosting.Explanations;
using Microsoft.ML.LoraInit.Hosting.Telemetry;

namespace Microsoft.ML.LoraInit.Hosting.Serving;

/// <summary>A model's file, what is asked of it, and the watch over it.</summary>
internal sealed class TextPredictor<TInput, TPrediction> : ITextPredictor<TInput, TPrediction>, IDisposable
    where TInput : class
    where TPrediction : class, new()
{
    private const string One = "one", Batch = "batch", Stream = "stream", Explain = "explain";

    private readonly LoraTextOptions<TInput> _options;
    private readonly HostingMetrics _metrics;
    private readonly ModelSlot<TInput, TPrediction> _slot;
    private readonly ModelWatch _watch;
    private readonly Admission _admission;
    private bool _disposed;

    /// <exception cref="ArgumentException">An option cannot be used.</exception>
    public TextPredictor(string name, MLContext ml, LoraTextOptions<TInput> options, HostingMetrics metrics, ILogger logger)
    {
        options.Check(name);
        (Name, _options, _metrics) = (name, options, metrics);
        _admission = new(name, options.Places, options.MaxQueue, metrics);
        _slot = new(name, options.Context ?? ml, options, metrics, logger);
        _watch = new(name, _slot.FilePath, _slot.Refresh, options.PollInterval, options.Reload, logger);
    }

    public string Name { get; }

    public ServedModelInfo? Current => _slot.Info;

    public string? Problem => _slot.Problem;

    public Task WaitForFirstLoadAsync(CancellationToken cancellationToken = default) => _watch.FirstLook.WaitAsync(cancellationToken);

    public Task<TPrediction> PredictAsync(TInput input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        return Ask(One, 1, model => model.Engines.Predict(input), cancellationToken);
    }

    public async Task<IReadOnlyList<TPrediction>> PredictAsync(IReadOnlyList<TInput> inputs, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        for (int i = 0; i < inputs.Count; i++)
            if (inputs[i] is null)
                throw new ArgumentException($"The row {i} is null.", nameof(inputs));
        return inputs.Count == 0 ? [] : await Ask(Batch, inputs.Count, model => Transform(model, inputs, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    public IAsyncEnumerable<TPrediction> PredictAsync(IAsyncEnumerable<TInput> inputs, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        return Windows(inputs, cancellationToken);
    }

    public Task<PredictionExplanation> ExplainAsync(TInput input, ExplanationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        return Ask(Explain, 0, model => PredictionExplainer.Explain(model.ML, model.Transformer, input, options), cancellationToken);
    }

    // Services dispose of it once for each kind of service that it is.
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, true))
            return;
        _watch.Dispose();
        _slot.Dispose();
    }

    private async IAsyncEnumerable<TPrediction> Windows(IAsyncEnumerable<TInput> inputs, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var window in ReadyRows.Windows(inputs, _options.StreamWindow, cancellationToken).ConfigureAwait(false))
            foreach (var prediction in await Ask(Stream, window.Count, model => Transform(model, window, cancellationToken), cancellationToken).ConfigureAwait(false))
                yield return prediction;
    }

    private static IReadOnlyList<TPrediction> Transform(LoadedModel<TInput, TPrediction> model, IReadOnlyList<TInput> inputs, CancellationToken cancellationToken)
    {
        var predictions = new List<TPrediction>(inputs.Count);
        var scored = model.Transformer.Transform(model.ML.Data.LoadFromEnumerable(inputs));
        foreach (var prediction in model.ML.Data.CreateEnumerable<TPrediction>(scored, reuseRowObject: false))
        {
            cancellationToken.ThrowIfCancellationRequested();
            predictions.Add(prediction);
        }
        return predictions;
    }

    private async Task<T> Ask<T>(string kind, int rows, Func<LoadedModel<TInput, TPrediction>, T> compute, CancellationToken cancellationToken)
    {
        using var activity = HostingMetrics.Activities.StartActivity(kind == Explain ? "loratext explain" : "loratext predict");
        activity?.SetTag("model", Name).SetTag("kind", kind).SetTag("rows", rows);
        long begun = Stopwatch.GetTimestamp();
        string outcome = HostingMetrics.Error;
        try
        {
            await _watch.FirstLook.WaitAsync(cancellationToken).ConfigureAwait(false);
            await _admission.EnterAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                activity?.AddEvent(new("admitted"));
                // On another thread, so that whoever asks several questions before awaiting one has them answered side by side.
                var answer = await Task.Run(() => Compute(compute, activity), cancellationToken).ConfigureAwait(false);
                outcome = HostingMetrics.Ok;
                return answer;
            }
            finally
            {
                _admission.Leave();
            }
        }
        catch (Exception e)
        {
            outcome = e switch
            {
                OperationCanceledException => HostingMetrics.Cancelled,
                PredictionQueueFullException => HostingMetrics.Rejected,
                ModelUnavailableException => HostingMetrics.Unavailable,
                _ => HostingMetrics.Error,
            };
            activity?.SetStatus(ActivityStatusCode.Error, e.Message);
            throw;
        }
        finally
        {
            activity?.SetTag("outcome", outcome);
            _metrics.Called(Name, kind, outcome, rows, Stopwatch.GetElapsedTime(begun));
        }
    }

    private T Compute<T>(Func<LoadedModel<TInput, TPrediction>, T> compute, Activity? activity)
    {
        var model = _slot.Enter();
        try
        {
            activity?.SetTag("version", model.Info.Version);
            return compute(model);
        }
        finally
        {
            model.Leave();
        }
    }
}
