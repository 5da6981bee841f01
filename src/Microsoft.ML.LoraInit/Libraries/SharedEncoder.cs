using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>A frozen base that rows of different adapters go through together. Nothing in it changes, so any number of threads may run it.</summary>
internal sealed class SharedEncoder : IDisposable
{
    private readonly RobertaConfig _config;
    private readonly Tensor _words, _positions;
    private readonly (Tensor Weight, Tensor Bias) _norm;
    private readonly SharedLayer[] _layers;
    private readonly IReadOnlyList<Tensor> _owned;

    /// <param name="weights">The base, in the type that the encoder computes with; stays the caller's, and may be disposed afterwards.</param>
    public SharedEncoder(BaseWeights weights)
    {
        const string Embeddings = "roberta.embeddings";
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        _config = weights.Config;
        Device = weights.Device;
        var bag = new WeightBag(weights.Tensors.ToDictionary(t => t.Key, t => t.Value.alias(), StringComparer.Ordinal), weights.DType, scope);
        long hidden = _config.HiddenSize;
        try
        {
            _words = bag.Keep(bag.Take($"{Embeddings}.word_embeddings.weight", _config.VocabularySize, hidden));
            // Token types are all 0, so their one row may as well be part of the positions.
            _positions = bag.Keep(bag.Take($"{Embeddings}.position_embeddings.weight", _config.MaxPositions, hidden)
                .add(bag.Take($"{Embeddings}.token_type_embeddings.weight", _config.TypeVocabularySize, hidden).select(0, 0)));
            _norm = (bag.Keep(bag.Take($"{Embeddings}.LayerNorm.weight", hidden)), bag.Keep(bag.Take($"{Embeddings}.LayerNorm.bias", hidden)));
            _layers = [.. Enumerable.Range(0, _config.Layers).Select(i => new SharedLayer(_config, i, bag))];
            bag.CheckAllTaken();
        }
        catch
        {
            foreach (var tensor in bag.Kept)
                tensor.Dispose();
            throw;
        }
        _owned = bag.Kept;
    }

    public Device Device { get; }

    /// <summary>Everything held; some are views of others.</summary>
    public IReadOnlyList<Tensor> Tensors => _owned;

    /// <summary>The first tokens' states, fp32 [batch, hidden]. Rows must be padded on the right.</summary>
    /// <param name="batch">The rows.</param>
    /// <param name="slices">Which rows are whose; every row once.</param>
    public Tensor forward(EncodedBatch batch, IReadOnlyList<AdapterSlice> slices)
    {
        using var scope = NewDisposeScope();
        var mask = batch.AttentionMask?.unsqueeze(1).unsqueeze(1);
        // Padding is on the right, so a token's position is its column's; what padding gets there is attended to by none.
        var x = _words.index_select(0, batch.InputIds.reshape(-1)).view(batch.Rows, batch.Length, -1)
            .add_(_positions.narrow(0, _config.PadTokenId + 1, batch.Length));
        x = nn.functional.layer_norm(x, [_config.HiddenSize], _norm.Weight, _norm.Bias, _config.LayerNormEps);
        foreach (var layer in _layers)
        {
            var next = layer.forward(x, mask, slices);
            x.Dispose();
            x = next;
        }
        return x.select(1, 0).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var tensor in _owned)
            tensor.Dispose();
    }
}
