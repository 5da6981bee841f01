using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Scores with tensors, on any device, in batches of rows of like length. The weights' own type is the encoder's precision.</summary>
internal sealed class TensorScorer : IMergedScorer
{
    private readonly RobertaConfig _config;
    private readonly PredictorOptions _options;
    private readonly MergedModel _model;
    private readonly RecordedPasses? _recorded;
    private readonly NativeFootprint _footprint;

    /// <inheritdoc cref="RobertaPredictor(RobertaConfig, IReadOnlyDictionary{string, Tensor}, PredictorOptions)"/>
    public TensorScorer(RobertaConfig config, IReadOnlyDictionary<string, Tensor> weights, PredictorOptions options)
    {
        (_config, _options) = (config, options);
        _footprint = new NativeFootprint(weights.Values);
        try
        {
            _model = new MergedModel(config, weights, options.Pooling);
            _recorded = RecordedPasses.For(_model, config, options.TokensPerBatch(_model.Device));
        }
        catch
        {
            _footprint.Dispose();
            throw;
        }
    }

    public Device Device => _model.Device;

    public bool IsAsynchronous => Device.type != DeviceType.CPU;

    public int Outputs => _model.Outputs;

    public PendingLogits Begin(IReadOnlyList<EncodedText> texts, SharedLifetime.Use use, CancellationToken cancellationToken)
    {
        var (logits, batches) = Queue(texts, cancellationToken);
        return new(logits, batches, use);
    }

    public T With<T>(Func<MergedModel, T> compute) => compute(_model);

    public void Dispose()
    {
        _recorded?.Dispose();
        _model.Dispose();
        _footprint.Dispose();
    }

    /// <summary>The logits, [rows, outputs] in the order of the batches.</summary>
    private (Tensor? Logits, IReadOnlyList<int[]> Batches) Queue(IReadOnlyList<EncodedText> texts, CancellationToken cancellationToken)
    {
        if (texts.Count == 0)
            return (null, []);
        var lengths = new int[texts.Count];
        for (int i = 0; i < lengths.Length; i++)
            lengths[i] = texts[i].Length;
        var batches = LengthPlan.Create(lengths, _options.TokensPerBatch(Device), PredictorOptions.BatchCost(Device));

        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        var logits = new Tensor[batches.Count];
        for (int i = 0; i < logits.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var batchScope = NewDisposeScope();
            var batch = _recorded?.TryForward(texts, batches[i]) ?? _model.forward(BatchBuilder.Build(texts, batches[i], _config.PadTokenId, Device));
            logits[i] = batch.MoveToOuterDisposeScope();
        }
        // One copy from the device, which would otherwise be waited for after every batch.
        return ((logits.Length == 1 ? logits[0] : cat(logits, 0)).DetachFromDisposeScope(), batches);
    }
}
