using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// A plain RoBERTa with its head, in the form that scores fastest. Nothing in it changes after construction, so any
/// number of threads may run it.
/// </summary>
internal sealed class MergedModel : IDisposable
{
    private readonly RobertaConfig _config;
    private readonly long[] _normalized;
    private readonly IReadOnlyList<Tensor> _owned;
    private readonly Tensor _words, _positions;
    private readonly (Tensor Weight, Tensor Bias) _embeddingNorm, _dense, _outProjection;
    private readonly MergedLayer[] _layers;

    /// <param name="config">The model's shape.</param>
    /// <param name="weights">Every weight of encoder and head by full name, on one device; taken over, also when this fails.</param>
    /// <exception cref="ArgumentException">A weight is missing, of another shape, or not part of such a model.</exception>
    public MergedModel(RobertaConfig config, IReadOnlyDictionary<string, Tensor> weights)
    {
        const string Embeddings = "roberta.embeddings", Head = "classifier";
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var first = weights.TryGetValue($"{Embeddings}.word_embeddings.weight", out var words) ? words : null;
        var type = first?.dtype ?? ScalarType.Float32;
        var bag = new WeightBag(weights, type, scope);
        long hidden = config.HiddenSize;
        _config = config;
        _normalized = [hidden];
        try
        {
            _words = bag.Keep(bag.Take($"{Embeddings}.word_embeddings.weight", config.VocabularySize, hidden));
            Device = _words.device;
            // Token types are all 0, so their one row may as well be part of the positions.
            _positions = bag.Keep(bag.Take($"{Embeddings}.position_embeddings.weight", config.MaxPositions, hidden)
                .add(bag.Take($"{Embeddings}.token_type_embeddings.weight", config.TypeVocabularySize, hidden).select(0, 0)));
            _embeddingNorm = (bag.Keep(bag.Take($"{Embeddings}.LayerNorm.weight", hidden)), bag.Keep(bag.Take($"{Embeddings}.LayerNorm.bias", hidden)));
            _layers = [.. Enumerable.Range(0, config.Layers).Select(i => new MergedLayer(config, i, bag))];
            _dense = (bag.Keep(bag.Take(ScalarType.Float32, $"{Head}.dense.weight", hidden, hidden)), bag.Keep(bag.Take(ScalarType.Float32, $"{Head}.dense.bias", hidden)));
            var outWeight = bag.Keep(bag.TakeRows(ScalarType.Float32, $"{Head}.out_proj.weight", hidden));
            Outputs = (int)outWeight.shape[0];
            _outProjection = (outWeight, bag.Keep(bag.Take(ScalarType.Float32, $"{Head}.out_proj.bias", Outputs)));
            bag.CheckAllTaken();
        }
        catch
        {
            Free(bag.Kept);
            throw;
        }
        _owned = bag.Kept;
    }

    public Device Device { get; }

    /// <summary>Number of logits a row.</summary>
    public int Outputs { get; }

    /// <summary>
    /// Logits, fp32 [batch, outputs]. Rows must be padded on the right. Nothing here waits for the device or depends on more than
    /// the batch's shape, so that a forward pass of one shape can be recorded once and run again on other ids.
    /// </summary>
    public Tensor forward(EncodedBatch batch)
    {
        using var scope = NewDisposeScope();
        return Encode(Words(batch.InputIds).add_(Positions(batch.Length)), batch.AttentionMask).MoveToOuterDisposeScope();
    }

    /// <summary>The embeddings of token ids [batch, length], without positions: [batch, length, hidden].</summary>
    public Tensor Words(Tensor ids) => _words.index_select(0, ids.reshape(-1)).view(ids.shape[0], ids.shape[1], -1);

    /// <summary>What is added to the first columns' embeddings, [length, hidden]; not to be disposed.</summary>
    // Padding is on the right, so a token's position is its column's; what padding gets there is attended to by none.
    public Tensor Positions(long length) => _positions.narrow(0, _config.PadTokenId + 1, length);

    /// <summary>From words and positions added up to logits, fp32 [batch, outputs].</summary>
    /// <param name="embedded">[batch, length, hidden].</param>
    /// <param name="attentionMask">Bool [batch, length], or null where no row is padded.</param>
    public Tensor Encode(Tensor embedded, Tensor? attentionMask)
    {
        using var scope = NewDisposeScope();
        var mask = Additive(attentionMask);
        var x = nn.functional.layer_norm(embedded, _normalized, _embeddingNorm.Weight, _embeddingNorm.Bias, _config.LayerNormEps);
        foreach (var layer in _layers)
        {
            var next = layer.forward(x, mask);
            x.Dispose();
            x = next;
        }
        var first = x.select(1, 0);
        var pooled = nn.functional.linear(first.dtype == ScalarType.Float32 ? first : first.to(ScalarType.Float32), _dense.Weight, _dense.Bias).tanh_();
        return nn.functional.linear(pooled, _outProjection.Weight, _outProjection.Bias).MoveToOuterDisposeScope();
    }

    /// <summary>What is added to the attention's scores, [batch, 1, 1, length]: made once here, where a bool mask would be converted in every layer.</summary>
    private Tensor? Additive(Tensor? tokens)
    {
        if (tokens is null)
            return null;
        var padding = tokens.logical_not().view(tokens.shape[0], 1, 1, tokens.shape[1]);
        return zeros(padding.shape, _words.dtype, Device).masked_fill_(padding, double.NegativeInfinity);
    }

    public void Dispose() => Free(_owned);

    private static void Free(IEnumerable<Tensor> tensors)
    {
        foreach (var tensor in tensors)
            tensor.Dispose();
    }
}
