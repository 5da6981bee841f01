using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// One block of a <see cref="ScoringEncoder"/>: what <see cref="RobertaLayer"/> computes, with query, key and value in one product,
/// and in the last block only for the first token, which is all that heads read.
/// </summary>
internal sealed class ScoringLayer
{
    private readonly RobertaConfig _config;
    private readonly ScoringMath _math;
    private readonly int _index;
    private readonly bool _firstOnly;
    private readonly (Tensor Weight, Tensor Bias) _query, _keyValue, _queryKeyValue, _attentionOutput, _intermediate, _output, _attentionNorm, _outputNorm;
    private readonly Bottleneck? _attentionBottleneck, _outputBottleneck, _layerBottleneck;
    private readonly ScoringFusion? _fusion; // in the place of _outputBottleneck

    /// <param name="config">The model's shape.</param>
    /// <param name="math">What is computed between the products.</param>
    /// <param name="index">The block, from 0.</param>
    /// <param name="weights">Taken from, checked and kept.</param>
    /// <param name="firstOnly">Whether the first token of each row alone goes on: the last block, unless all tokens are wanted.</param>
    public ScoringLayer(RobertaConfig config, ScoringMath math, int index, WeightBag weights, bool firstOnly)
    {
        (_config, _math, _index, _firstOnly) = (config, math, index, firstOnly);
        long hidden = config.HiddenSize;
        string[] projections = [.. new[] { EncoderModule.Query, EncoderModule.Key, EncoderModule.Value }.Select(m => RobertaNames.Linear(index, m))];
        var weight = weights.Keep(cat(projections.Select(p => weights.Take($"{p}.weight", hidden, hidden)).ToArray(), 0));
        var bias = weights.Keep(cat(projections.Select(p => weights.Take($"{p}.bias", hidden)).ToArray(), 0));
        _queryKeyValue = (weight, bias);
        _query = (weights.Keep(weight.narrow(0, 0, hidden)), weights.Keep(bias.narrow(0, 0, hidden)));
        _keyValue = (weights.Keep(weight.narrow(0, hidden, 2 * hidden)), weights.Keep(bias.narrow(0, hidden, 2 * hidden)));
        _attentionOutput = Linear(EncoderModule.AttentionOutput);
        _attentionNorm = Norm(RobertaNames.AttentionNorm);
        _intermediate = Linear(EncoderModule.Intermediate);
        _output = Linear(EncoderModule.Output);
        _outputNorm = Norm(RobertaNames.OutputNorm);
        _attentionBottleneck = BottleneckAt(BottleneckPlace.Attention);
        _outputBottleneck = BottleneckAt(BottleneckPlace.Output);
        _layerBottleneck = BottleneckAt(BottleneckPlace.Layer);
        _fusion = ScoringFusion.TakeIfThere(weights, BottleneckFusion.NameOf(index), hidden);

        Bottleneck? BottleneckAt(BottleneckPlace place) => Bottleneck.TakeIfThere(weights, BottleneckAdapter.NameOf(index, place), hidden, config.LayerNormEps);

        (Tensor, Tensor) Linear(EncoderModule module)
        {
            var (outputs, inputs) = RobertaNames.Shape(module, config);
            return weights.KeepAffine(RobertaNames.Linear(index, module), outputs, inputs);
        }

        (Tensor, Tensor) Norm(string name) => weights.KeepAffine(RobertaNames.InLayer(index, name), hidden);
    }

    /// <param name="x">[batch, length, hidden].</param>
    /// <param name="mask">Added to the attention's scores: [batch, 1, 1, length], 0 or −∞; null where no row is padded.</param>
    /// <param name="slices">Rows that adapters correct.</param>
    /// <param name="shares">Gets the block's index and how much its fusion takes of each source, [batch, length, n, 1]; or null.</param>
    /// <returns>The same shape; [batch, 1, hidden] from the last block.</returns>
    public Tensor forward(Tensor x, Tensor? mask, IReadOnlyList<AdapterSlice> slices, Action<int, Tensor>? shares = null)
    {
        using var scope = NewDisposeScope(); // A block's intermediates are many times its result.
        long rows = x.shape[0], length = _firstOnly ? 1 : x.shape[1];
        var (query, key, value) = Project(x, slices);
        var attended = Product(
            nn.functional.scaled_dot_product_attention(query, key, value, mask, 0.0, false).transpose(1, 2).reshape(rows, length, _config.HiddenSize),
            _attentionOutput, slices, EncoderModule.AttentionOutput);
        if (_firstOnly)
            x = x.narrow(1, 0, 1);
        attended = _attentionBottleneck?.forward(attended) ?? attended;
        x = _math.AddNorm(attended, x, _attentionNorm);

        // The widest of the intermediates does not wait for the scope's end.
        using var inner = Product(x, _intermediate, slices, EncoderModule.Intermediate);
        using var activated = _math.Gelu(inner);
        var transformed = Product(activated, _output, slices, EncoderModule.Output);
        transformed = _outputBottleneck?.forward(transformed) ?? _fusion?.forward(transformed, shares is null ? null : taken => shares(_index, taken)) ?? transformed;
        x = _math.AddNorm(transformed, x, _outputNorm);
        return (_layerBottleneck?.forward(x) ?? x).MoveToOuterDisposeScope();
    }

    /// <summary>Query, key and value, each [batch, heads, length (1 for the last block's query), hidden / heads], all views.</summary>
    private (Tensor Query, Tensor Key, Tensor Value) Project(Tensor x, IReadOnlyList<AdapterSlice> slices)
    {
        if (!_firstOnly)
        {
            var all = Heads(Product(x, _queryKeyValue, slices, EncoderModule.Query, EncoderModule.Key, EncoderModule.Value), 3);
            return (all[0], all[1], all[2]);
        }
        var keyValue = Heads(Product(x, _keyValue, slices, EncoderModule.Key, EncoderModule.Value), 2);
        return (Heads(Product(x.narrow(1, 0, 1), _query, slices, EncoderModule.Query), 1)[0], keyValue[0], keyValue[1]);
    }

    /// <summary>x Wᵀ + b of some layers side by side, done once for all rows and then corrected by each slice's adapters.</summary>
    private Tensor Product(Tensor x, (Tensor Weight, Tensor Bias) linear, IReadOnlyList<AdapterSlice> slices, params ReadOnlySpan<EncoderModule> modules)
    {
        var product = Products.Affine(x, linear);
        foreach (var (adapter, start, rows) in slices)
            if (adapter.Corrects(_index, modules))
                adapter.Correct(_index, modules, x.narrow(0, start, rows), product.narrow(0, start, rows));
        return product;
    }

    /// <summary>[batch, length, parts · hidden] → each part as [batch, heads, length, hidden / heads].</summary>
    private Tensor[] Heads(Tensor x, int parts) =>
        x.view(x.shape[0], x.shape[1], parts, _config.Heads, _config.HeadSize).permute(2, 0, 3, 1, 4).unbind(0);

    /// <summary>A bottleneck adapter, which no merge removes: see <see cref="BottleneckAdapter"/>.</summary>
    private sealed record Bottleneck((Tensor Weight, Tensor Bias) Down, (Tensor Weight, Tensor Bias) Up, (Tensor Weight, Tensor Bias)? Norm, double Eps)
    {
        public static Bottleneck? TakeIfThere(WeightBag weights, string name, long hidden, double eps)
        {
            if (weights.RowsOf($"{name}.down.weight") is not { } size)
                return null;
            return new(
                weights.KeepAffine($"{name}.down", size, hidden),
                weights.KeepAffine($"{name}.up", hidden, size),
                weights.RowsOf($"{name}.norm.weight") is null ? null : weights.KeepAffine($"{name}.norm", hidden),
                eps);
        }

        public Tensor forward(Tensor x)
        {
            var low = Norm is { } norm
                ? nn.functional.relu(Products.Affine(nn.functional.layer_norm(x, [x.shape[^1]], norm.Weight, norm.Bias, Eps), Down))
                : nn.functional.gelu(Products.Affine(x, Down));
            return x.Add(Products.Affine(low, Up));
        }
    }
}
