using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>A model with its adapters merged: encoder and head. Nothing in it changes after construction, so any number of threads may run it.</summary>
internal sealed class MergedModel : IDisposable
{
    private readonly ScoringEncoder _encoder;
    private readonly ScoringHead _head;
    private readonly SentencePooling? _pooling;

    /// <param name="config">The model's shape.</param>
    /// <param name="weights">Every weight of encoder and head by full name, on one device; taken over, also when this fails.</param>
    /// <param name="pooling">What comes of a row: a vector made so, or its logits where it is null.</param>
    /// <exception cref="ArgumentException">A weight is missing, of another shape, or not part of such a model.</exception>
    public MergedModel(RobertaConfig config, IReadOnlyDictionary<string, Tensor> weights, SentencePooling? pooling = null)
    {
        _pooling = pooling;
        // The words' type is the encoder's.
        var type = weights.TryGetValue(RobertaNames.Words, out var words) ? words.dtype : ScalarType.Float32;
        (_encoder, _head) = WeightBag.TakeAll(weights, type, bag =>
        {
            var encoder = new ScoringEncoder(config, bag, everyToken: pooling == SentencePooling.Mean);
            return (encoder, ScoringHead.Take(bag, config.HiddenSize));
        });
    }

    public Device Device => _encoder.Device;

    /// <summary>Numbers a row: logits, or a vector's.</summary>
    public int Outputs => _pooling is null ? _head.Outputs : (int)_head.Dense.Bias.shape[0];

    /// <inheritdoc cref="ScoringEncoder.forward"/>
    /// <returns>Logits or vectors, fp32 [batch, outputs].</returns>
    public Tensor forward(EncodedBatch batch)
    {
        if (_pooling == SentencePooling.Mean)
            return _encoder.Mean(batch);
        using var scope = NewDisposeScope();
        var first = _encoder.forward(batch, []);
        return (_pooling switch
        {
            null => _head.Logits(first),
            SentencePooling.HeadInput => _head.Pooled(first),
            _ => first,
        }).MoveToOuterDisposeScope();
    }

    /// <inheritdoc cref="ScoringEncoder.Words"/>
    public Tensor Words(Tensor ids) => _encoder.Words(ids);

    /// <inheritdoc cref="ScoringEncoder.Positions"/>
    public Tensor Positions(long length) => _encoder.Positions(length);

    /// <summary>From words and positions added up to logits, fp32 [batch, outputs].</summary>
    /// <param name="embedded">[batch, length, hidden].</param>
    /// <param name="attentionMask">Bool [batch, length], or null where no row is padded.</param>
    /// <param name="shares">As of <see cref="ScoringLayer.forward"/>.</param>
    public Tensor Encode(Tensor embedded, Tensor? attentionMask, Action<int, Tensor>? shares = null)
    {
        using var first = _encoder.Encode(embedded, attentionMask, [], shares);
        return _head.Logits(first);
    }

    public void Dispose()
    {
        _encoder.Dispose();
        _head.Dispose();
    }
}
