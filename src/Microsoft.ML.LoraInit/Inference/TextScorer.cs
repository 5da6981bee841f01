using System.Runtime.ExceptionServices;
using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Tokenises and scores; owns the predictor.</summary>
/// <param name="encoder">Makes rows of texts.</param>
/// <param name="predictor">Scores them; taken over.</param>
internal sealed class TextScorer(TextEncoder encoder, RobertaPredictor predictor) : ITextScorer
{
    // Fewer rows are tokenised before another thread has started.
    private const int RowsWorthThreads = 16;

    private readonly Lock _replacing = new();
    private volatile RobertaPredictor _predictor = predictor;
    private volatile TextEncoder _encoder = encoder;

    public bool IsDisposed { get; private set; }

    /// <summary>How texts become rows. Set before the scorer is shared.</summary>
    public TextEncoder Encoder
    {
        get => _encoder;
        set => _encoder = value;
    }

    public float[][] Score(IReadOnlyList<TextPair> texts)
    {
        var encoded = Encode(texts, CancellationToken.None);
        return _encoder.Combine(encoded, Predict(TextEncoder.Rows(encoded), CancellationToken.None).Read());
    }

    /// <summary>Logits of rows that are encoded already.</summary>
    public float[][] Score(IReadOnlyList<EncodedText> rows) => WithCurrent(predictor => predictor.Predict(rows));

    public float[] ScoreOne(TextPair text)
    {
        var rows = _encoder.Encode(text);
        if (rows.Length == 1)
            return WithCurrent(predictor => predictor.PredictOne(rows[0]));
        return _encoder.Combine(rows.Length == 0 ? [] : Predict(rows, CancellationToken.None).Read());
    }

    public ScoringRun<float[]> Begin(IReadOnlyList<TextPair> texts) => new Run(this, texts);

    /// <summary>Lets others compute with the weights that score now.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public T With<T>(Func<MergedModel, T> compute) => WithCurrent(predictor => predictor.With(compute));

    /// <summary>Scores with another predictor, taken over, from now on; calls under way finish with the old one, which is then freed.</summary>
    /// <exception cref="ObjectDisposedException">This was disposed of.</exception>
    public void Replace(RobertaPredictor other)
    {
        lock (_replacing)
        {
            if (IsDisposed)
            {
                other.Dispose();
                throw new ObjectDisposedException(nameof(TextScorer));
            }
            var old = _predictor;
            _predictor = other;
            old.Dispose();
        }
    }

    public void Dispose()
    {
        lock (_replacing)
        {
            IsDisposed = true;
            _predictor.Dispose();
        }
    }

    private PendingLogits Predict(EncodedText[] encoded, CancellationToken cancellationToken) =>
        WithCurrent(predictor => predictor.Begin(encoded, cancellationToken));

    /// <summary>Asks the predictor of now, and the next one where it was replaced meanwhile.</summary>
    private T WithCurrent<T>(Func<RobertaPredictor, T> ask)
    {
        while (true)
        {
            var current = _predictor;
            try
            {
                return ask(current);
            }
            catch (ObjectDisposedException) when (current != _predictor)
            {
                // Replaced in between.
            }
        }
    }

    private EncodedText[][] Encode(IReadOnlyList<TextPair> texts, CancellationToken cancellationToken)
    {
        var encoded = new EncodedText[texts.Count][];
        if (encoded.Length < RowsWorthThreads)
            for (int i = 0; i < encoded.Length; i++)
                encoded[i] = _encoder.Encode(texts[i]);
        else
            InParallel();
        return encoded;

        void InParallel()
        {
            try
            {
                Parallel.For(0, encoded.Length, new ParallelOptions { CancellationToken = cancellationToken }, i => encoded[i] = _encoder.Encode(texts[i]));
            }
            catch (AggregateException e)
            {
                ExceptionDispatchInfo.Throw(e.InnerExceptions[0]); // as a row alone would throw it
            }
        }
    }

    /// <summary>Tokenises on the thread pool; the forward passes are queued, or on a CPU computed, by the thread that reads.</summary>
    /// <remarks>
    /// Not by threads of the pool: each thread that computes on a CPU gets a team of native threads of its own, which stay.
    /// </remarks>
    private sealed class Run : ScoringRun<float[]>
    {
        private readonly TextScorer _scorer;
        private readonly CancellationTokenSource _stop = new();
        private readonly Task<EncodedText[][]> _encoded;
        private PendingLogits? _pending;

        public Run(TextScorer scorer, IReadOnlyList<TextPair> texts)
        {
            _scorer = scorer;
            var stop = _stop.Token;
            _encoded = Task.Run(() => scorer.Encode(texts, stop), stop);
        }

        public override void Advance()
        {
            if (_scorer._predictor.IsAsynchronous)
                _pending ??= Pending();
        }

        public override float[][] Take()
        {
            _pending ??= Pending();
            return _scorer._encoder.Combine(_encoded.Result, _pending.Read());
        }

        protected override void Dispose(bool disposing)
        {
            _stop.Cancel();
            try
            {
                _encoded.Wait(); // Soon, now that it is cancelled: a row at most.
            }
            catch (AggregateException)
            {
                // Of rows that nobody wants.
            }
            _pending?.Dispose();
            _stop.Dispose();
            base.Dispose(disposing);
        }

        private PendingLogits Pending() => _scorer.Predict(TextEncoder.Rows(_encoded.GetAwaiter().GetResult()), _stop.Token);
    }
}
