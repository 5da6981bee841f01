using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// A plain RoBERTa encoder in the form that scores fastest: a model's with its adapters merged, or an untouched base that rows of
/// different adapters go through together. Nothing in it changes after construction, so any number of threads may run it.
/// </summary>
internal sealed class ScoringEncoder : IDisposable
{
    private readonly RobertaConfig _config;
    private readonly long[] _normalized;
    private readonly Tensor _words, _positions;
    private readonly (Tensor Weight, Tensor Bias) _norm;
    private readonly ScoringLayer[] _layers;

    /// <param name="config">The model's shape.</param>
    /// <param name="weights">Taken from, checked and kept.</param>
    /// <param name="everyToken">Whether the last block computes every token's state, which <see cref="Mean"/> needs, or the first's alone.</param>
    /// <exception cref="ArgumentException">A weight is missing, or of another shape.</exception>
    public ScoringEncoder(RobertaConfig config, WeightBag weights, bool everyToken = false)
    {
        long hidden = config.HiddenSize;
        _config = config;
        _normalized = [hidden];
        _words = weights.Keep(weights.Take(RobertaNames.Words, config.VocabularySize, hidden));
        // Token types are all 0, so their one row may as well be part of the positions.
        _positions = weights.Keep(weights.Take(RobertaNames.Positions, config.MaxPositions, hidden)
            .Add(weights.Take(RobertaNames.TokenTypes, config.TypeVocabularySize, hidden).select(0, 0)));
        _norm = weights.KeepAffine(RobertaNames.EmbeddingNorm, hidden);
        var math = ScoringMath.For(_words, config.LayerNormEps);
        _layers = [.. Enumerable.Range(0, config.Layers).Select(i => new ScoringLayer(config, math, i, weights, firstOnly: !everyToken && i == config.Layers - 1))];
        Tensors = [.. weights.Kept];
        Device = _words.device;
    }

    public Device Device { get; }

    /// <summary>Everything held; some are views of others.</summary>
    public IReadOnlyList<Tensor> Tensors { get; }

    /// <summary>An untouched base, in its own type.</summary>
    /// <param name="weights">Stays the caller's, and may be disposed afterwards.</param>
    public static ScoringEncoder Of(BaseWeights weights) => WeightBag.TakeAll(
        weights.Tensors.ToDictionary(t => t.Key, t => t.Value.alias(), StringComparer.Ordinal), weights.DType, bag => new ScoringEncoder(weights.Config, bag));

    /// <summary>
    /// The first tokens' states, fp32 [batch, hidden]. Rows must be padded on the right. Nothing here waits for the device or depends
    /// on more than the batch's shape, so that a forward pass of one shape can be recorded once and run again on other ids.
    /// </summary>
    /// <param name="batch">The rows.</param>
    /// <param name="slices">Rows that adapters correct, none of them twice; none for a merged model.</param>
    public Tensor forward(EncodedBatch batch, IReadOnlyList<AdapterSlice> slices)
    {
        using var scope = NewDisposeScope();
        return Encode(Words(batch.InputIds).Add_(Positions(batch.Length)), batch.AttentionMask, slices).MoveToOuterDisposeScope();
    }

    /// <summary>The embeddings of token ids [batch, length], without positions: [batch, length, hidden].</summary>
    public Tensor Words(Tensor ids) => _words.index_select(0, ids.reshape(-1)).view(ids.shape[0], ids.shape[1], -1);

    /// <summary>What is added to the first columns' embeddings, [length, hidden]; not to be disposed.</summary>
    // Padding is on the right, so a token's position is its column's; what padding gets there is attended to by none.
    public Tensor Positions(long length) => _positions.narrow(0, _config.PadTokenId + 1, length);

    /// <summary>From words and positions added up to the first tokens' states, fp32 [batch, hidden].</summary>
    /// <param name="embedded">[batch, length, hidden].</param>
    /// <param name="attentionMask">Bool [batch, length], or null where no row is padded.</param>
    /// <param name="slices">Rows that adapters correct.</param>
    /// <param name="shares">As of <see cref="ScoringLayer.forward"/>.</param>
    public Tensor Encode(Tensor embedded, Tensor? attentionMask, IReadOnlyList<AdapterSlice> slices, Action<int, Tensor>? shares = null)
    {
        using var scope = NewDisposeScope();
        var first = States(embedded, attentionMask, slices, shares).select(1, 0);
        return (first.dtype == ScalarType.Float32 ? first : first.to(ScalarType.Float32)).MoveToOuterDisposeScope();
    }

    /// <summary>The means of the rows' tokens, fp32 [batch, hidden], where every token is computed.</summary>
    public Tensor Mean(EncodedBatch batch)
    {
        using var scope = NewDisposeScope();
        var states = States(Words(batch.InputIds).Add_(Positions(batch.Length)), batch.AttentionMask, []).to(ScalarType.Float32);
        if (batch.AttentionMask is not { } mask)
            return states.mean([1L]).MoveToOuterDisposeScope();
        var tokens = mask.to(ScalarType.Float32).unsqueeze(-1);
        return states.mul_(tokens).sum(1).div_(tokens.sum(1)).MoveToOuterDisposeScope();
    }

    /// <summary>The last block's states: [batch, length, hidden], or [batch, 1, hidden] where the first token alone is computed.</summary>
    private Tensor States(Tensor embedded, Tensor? attentionMask, IReadOnlyList<AdapterSlice> slices, Action<int, Tensor>? shares = null)
    {
        using var scope = NewDisposeScope();
        var mask = Additive(attentionMask);
        var x = nn.functional.layer_norm(embedded, _normalized, _norm.Weight, _norm.Bias, _config.LayerNormEps);
        foreach (var layer in _layers)
        {
            var next = layer.forward(x, mask, slices, shares);
            x.Dispose();
            x = next;
        }
        return x.MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var tensor in Tensors)
            tensor.Dispose();
    }

    /// <summary>What is added to the attention's scores, [batch, 1, 1, length]: made once here, where a bool mask would be converted in every layer.</summary>
    private Tensor? Additive(Tensor? tokens)
    {
        if (tokens is null)
            return null;
        var padding = tokens.logical_not().view(tokens.shape[0], 1, 1, tokens.shape[1]);
        return zeros(padding.shape, _words.dtype, Device).MaskedFill_(padding, double.NegativeInfinity);
    }
}
