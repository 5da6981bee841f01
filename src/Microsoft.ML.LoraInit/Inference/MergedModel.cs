using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>A model with its adapters merged: encoder and head. Nothing in it changes after construction, so any number of threads may run it.</summary>
internal sealed class MergedModel : IDisposable
{
    private readonly ScoringEncoder _encoder;
    private readonly ScoringHead _head;

    /// <param name="config">The model's shape.</param>
    /// <param name="weights">Every weight of encoder and head by full name, on one device; taken over, also when this fails.</param>
    /// <exception cref="ArgumentException">A weight is missing, of another shape, or not part of such a model.</exception>
    public MergedModel(RobertaConfig config, IReadOnlyDictionary<string, Tensor> weights)
    {
        // The words' type is the encoder's.
        var type = weights.TryGetValue(RobertaNames.Words, out var words) ? words.dtype : ScalarType.Float32;
        (_encoder, _head) = WeightBag.TakeAll(weights, type, bag =>
        {
            var encoder = new ScoringEncoder(config, bag);
            return (encoder, ScoringHead.Take(bag, config.HiddenSize));
        });
    }

    public Device Device => _encoder.Device;

    /// <summary>Number of logits a row.</summary>
    public int Outputs => _head.Outputs;

    /// <inheritdoc cref="ScoringEncoder.forward"/>
    /// <returns>Logits, fp32 [batch, outputs].</returns>
    public Tensor forward(EncodedBatch batch)
    {
        using var first = _encoder.forward(batch, []);
        return _head.Logits(first);
    }

    /// <inheritdoc cref="ScoringEncoder.Words"/>
    public Tensor Words(Tensor ids) => _encoder.Words(ids);

    /// <inheritdoc cref="ScoringEncoder.Positions"/>
    public Tensor Positions(long length) => _encoder.Positions(length);

    /// <summary>From words and positions added up to logits, fp32 [batch, outputs].</summary>
    /// <param name="embedded">[batch, length, hidden].</param>
    /// <param name="attentionMask">Bool [batch, length], or null where no row is padded.</param>
    public Tensor Encode(Tensor embedded, Tensor? attentionMask)
    {
        using var first = _encoder.Encode(embedded, attentionMask, []);
        return _head.Logits(first);
    }

    public void Dispose()
    {
        _encoder.Dispose();
        _head.Dispose();
    }
}
