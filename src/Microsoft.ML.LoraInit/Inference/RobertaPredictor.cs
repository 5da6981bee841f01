using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Inference.Cpu;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// Scores rows with merged weights. Any number of threads may predict at once. Disposing of it while they do lets them
/// finish; the last one frees the native memory, and later calls throw <see cref="ObjectDisposedException"/>.
/// </summary>
/// <remarks>
/// A row's logits do not depend on the other rows of a call: by vector code (<see cref="CpuScorer"/>) to the last bit, with tensors
/// (<see cref="TensorScorer"/>) except in rounding, since matrix products of different sizes add up in a different order, which
/// makes some 1e-6 in fp32. The same call gives the same bits on one CPU. The head is always fp32.
/// </remarks>
internal sealed class RobertaPredictor : IDisposable
{
    private readonly RobertaConfig _config;
    private readonly IRowScorer _model;
    private readonly SharedLifetime _lifetime;
    private readonly RowBatcher? _batcher;

    /// <param name="config">The model's shape.</param>
    /// <param name="weights">Every weight of encoder and head by full name, on one device; taken over, also when this fails.</param>
    /// <param name="options">How rows are batched.</param>
    /// <exception cref="ArgumentException">A weight is missing, of another shape, or not part of such a model.</exception>
    public RobertaPredictor(RobertaConfig config, IReadOnlyDictionary<string, Tensor> weights, PredictorOptions? options = null)
        : this(config, Scorer(config, weights, options ?? new()), (options ?? new()).Batching)
    {
    }

    /// <param name="config">The model's shape.</param>
    /// <param name="model">What scores; taken over.</param>
    /// <param name="batching">How rows that are asked for one by one are gathered.</param>
    public RobertaPredictor(RobertaConfig config, IRowScorer model, BatchingOptions batching)
    {
        _config = config;
        _model = model;
        _lifetime = new SharedLifetime(_model.Dispose, nameof(RobertaPredictor),
            "The model was disposed and can score no more. A PredictionEngine disposes the model that it was made of, unless PredictionEngineOptions.OwnsTransformer is false.");
        if (batching.MaxBatch > 1)
            _batcher = new RowBatcher(Score, batching);
    }

    /// <summary>Number of logits a row.</summary>
    public int Outputs => _model.Outputs;

    /// <summary>Whether <see cref="Begin"/> returns before the scores are there.</summary>
    public bool IsAsynchronous => _model.IsAsynchronous;

    /// <summary>The rows' logits, in the rows' order, each of <see cref="Outputs"/> numbers.</summary>
    /// <exception cref="ArgumentException">A row is longer than the model takes.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled between two batches.</exception>
    public float[][] Predict(IReadOnlyList<EncodedText> texts, CancellationToken cancellationToken = default) =>
        Begin(texts, cancellationToken).Read();

    /// <summary>
    /// One row's logits. Rows that several threads ask for at once are scored together (<see cref="RowBatcher"/>).
    /// </summary>
    /// <exception cref="ArgumentException">The row is longer than the model takes.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited for the model.</exception>
    public float[] PredictOne(EncodedText text, CancellationToken cancellationToken = default)
    {
        using var use = _lifetime.Enter();
        Check([text]);
        return _batcher is null ? Score([text])[0] : _batcher.Score(text, cancellationToken);
    }

    /// <summary>
    /// Starts to score. On a GPU this returns as soon as the work is queued there, and the scores of several calls may be under
    /// way; on a CPU it returns when they are there.
    /// </summary>
    /// <inheritdoc cref="Predict"/>
    public PendingLogits Begin(IReadOnlyList<EncodedText> texts, CancellationToken cancellationToken = default)
    {
        var use = _lifetime.Enter();
        try
        {
            Check(texts);
            return _model.Begin(texts, use, cancellationToken);
        }
        catch
        {
            use.Dispose();
            throw;
        }
    }

    /// <summary>Lets others compute with the weights, which stay as they are until they have done so.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    /// <exception cref="NotSupportedException">What scores has no tensors.</exception>
    public T With<T>(Func<MergedModel, T> compute)
    {
        using var use = _lifetime.Enter();
        return _model is IMergedScorer merged ? merged.With(compute) : throw new NotSupportedException($"{_model.GetType().Name} has no weights as tensors.");
    }

    /// <summary>Ends the predictor's life once no call is running.</summary>
    public void Dispose() => _lifetime.Close();

    private static IMergedScorer Scorer(RobertaConfig config, IReadOnlyDictionary<string, Tensor> weights, PredictorOptions options) =>
        options.ScoresOnHost ? new CpuScorer(config, weights, options) : new TensorScorer(config, weights, options);

    private void Check(IReadOnlyList<EncodedText> texts)
    {
        for (int i = 0; i < texts.Count; i++)
            if (texts[i].Length > _config.MaxLength || texts[i].Length == 0)
                throw new ArgumentException($"Row {i + 1} has {texts[i].Length} tokens; the model takes 1 to {_config.MaxLength}.", nameof(texts));
    }

    // The caller uses the model already.
    private float[][] Score(IReadOnlyList<EncodedText> texts) => _model.Begin(texts, default, CancellationToken.None).Read();
}
