using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.LoraInit.Training.Batching;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// Scores rows with merged weights. Any number of threads may predict at once. Disposing of it while they do lets them
/// finish; the last one frees the native memory, and later calls throw <see cref="ObjectDisposedException"/>.
/// </summary>
/// <remarks>
/// A row's logits do not depend on the other rows of a call, except in rounding: matrix products of different sizes add
/// up in a different order. One row scored alone (a PredictionEngine) and within a batch (Transform) may so differ by
/// some 1e-6 in fp32. The same call gives the same bits on one CPU. The weights' own type decides the precision of the
/// encoder (fp32 or bf16); the head is always fp32.
/// </remarks>
internal sealed class RobertaPredictor : IDisposable
{
    private readonly RobertaConfig _config;
    private readonly PredictorOptions _options;
    private readonly MergedModel _model;
    private readonly SharedLifetime _lifetime;

    /// <param name="config">The model's shape.</param>
    /// <param name="weights">Every weight of encoder and head by full name, on one device; taken over, also when this fails.</param>
    /// <param name="options">How rows are batched.</param>
    /// <exception cref="ArgumentException">A weight is missing, of another shape, or not part of such a model.</exception>
    public RobertaPredictor(RobertaConfig config, IReadOnlyDictionary<string, Tensor> weights, PredictorOptions? options = null)
    {
        _config = config;
        _options = options ?? new();
        _model = new MergedModel(config, weights);
        _lifetime = new SharedLifetime(_model.Dispose, nameof(RobertaPredictor));
    }

    /// <summary>Where it runs.</summary>
    public Device Device => _model.Device;

    /// <summary>Number of logits a row.</summary>
    public int Outputs => _model.Outputs;

    /// <summary>The rows' logits, in the rows' order, each of <see cref="Outputs"/> numbers.</summary>
    /// <exception cref="ArgumentException">A row is longer than the model takes.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled between two batches.</exception>
    public float[][] Predict(IReadOnlyList<EncodedText> texts, CancellationToken cancellationToken = default)
    {
        using var use = _lifetime.Enter();
        if (texts.Count == 0)
            return [];
        var lengths = texts.Select(text => text.Length).ToArray();
        int longest = Array.FindIndex(lengths, length => length > _config.MaxLength || length == 0);
        if (longest >= 0)
            throw new ArgumentException($"Row {longest + 1} has {lengths[longest]} tokens; the model takes 1 to {_config.MaxLength}.", nameof(texts));

        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        var batches = BatchPlanner.ByLength(lengths, _options.BatchSize, _options.MaxTokensPerBatch);
        var logits = new List<Tensor>(batches.Count);
        foreach (var rows in batches)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var batchScope = NewDisposeScope();
            logits.Add(_model.forward(BatchBuilder.Build(texts, rows, _config.PadTokenId, Device)).MoveToOuterDisposeScope());
        }
        // One copy from the device, which would otherwise be waited for after every batch.
        var values = cat(logits.ToArray(), 0).cpu().data<float>().ToArray();
        return InOrder(values, batches, texts.Count);
    }

    /// <summary>Lets others compute with the weights, which stay as they are until they have done so.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public T With<T>(Func<MergedModel, T> compute)
    {
        using var use = _lifetime.Enter();
        return compute(_model);
    }

    /// <summary>Ends the predictor's life once no call is running.</summary>
    public void Dispose() => _lifetime.Close();

    private float[][] InOrder(float[] values, IReadOnlyList<int[]> batches, int count)
    {
        var result = new float[count][];
        int start = 0;
        foreach (int row in batches.SelectMany(rows => rows))
        {
            result[row] = values[start..(start + Outputs)];
            start += Outputs;
        }
        return result;
    }
}
