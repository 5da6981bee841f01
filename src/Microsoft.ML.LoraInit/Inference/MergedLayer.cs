using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// One block of a merged model: what <see cref="RobertaLayer"/> computes, with query, key and value in one product,
/// and in the last block only for the first token, which is all that the head reads.
/// </summary>
internal sealed class MergedLayer
{
    private readonly RobertaConfig _config;
    private readonly long[] _normalized;
    private readonly bool _isLast;
    private readonly (Tensor Weight, Tensor Bias) _query, _keyValue, _queryKeyValue, _attentionOutput, _intermediate, _output, _attentionNorm, _outputNorm;
    private readonly Bottleneck? _attentionBottleneck, _outputBottleneck, _layerBottleneck;

    public MergedLayer(RobertaConfig config, int index, WeightBag weights)
    {
        _config = config;
        _isLast = index == config.Layers - 1;
        long hidden = config.HiddenSize;
        _normalized = [hidden];
        var name = $"roberta.encoder.layer.{index}";
        string[] projections = ["query", "key", "value"];
        var parts = projections.Select(p => (
            Weight: weights.Take($"{name}.attention.self.{p}.weight", hidden, hidden),
            Bias: weights.Take($"{name}.attention.self.{p}.bias", hidden))).ToArray();
        var weight = weights.Keep(cat(parts.Select(p => p.Weight).ToArray(), 0));
        var bias = weights.Keep(cat(parts.Select(p => p.Bias).ToArray(), 0));
        _queryKeyValue = (weight, bias);
        _query = (weights.Keep(weight.narrow(0, 0, hidden)), weights.Keep(bias.narrow(0, 0, hidden)));
        _keyValue = (weights.Keep(weight.narrow(0, hidden, 2 * hidden)), weights.Keep(bias.narrow(0, hidden, 2 * hidden)));
        _attentionOutput = Linear($"{name}.attention.output.dense", hidden, hidden);
        _attentionNorm = Norm($"{name}.attention.output.LayerNorm");
        _intermediate = Linear($"{name}.intermediate.dense", config.IntermediateSize, hidden);
        _output = Linear($"{name}.output.dense", hidden, config.IntermediateSize);
        _outputNorm = Norm($"{name}.output.LayerNorm");
        _attentionBottleneck = BottleneckAt(BottleneckPlace.Attention);
        _outputBottleneck = BottleneckAt(BottleneckPlace.Output);
        _layerBottleneck = BottleneckAt(BottleneckPlace.Layer);

        Bottleneck? BottleneckAt(BottleneckPlace place) => Bottleneck.TakeIfThere(weights, BottleneckAdapter.NameOf(index, place), hidden, config.LayerNormEps);

        (Tensor, Tensor) Linear(string module, long rows, long columns) =>
            (weights.Keep(weights.Take($"{module}.weight", rows, columns)), weights.Keep(weights.Take($"{module}.bias", rows)));

        (Tensor, Tensor) Norm(string module) =>
            (weights.Keep(weights.Take($"{module}.weight", hidden)), weights.Keep(weights.Take($"{module}.bias", hidden)));
    }

    /// <param name="x">[batch, length, hidden].</param>
    /// <param name="mask">Added to the attention's scores: [batch, 1, 1, length], 0 or −∞; null where no row is padded.</param>
    /// <returns>The same shape; [batch, 1, hidden] from the last block.</returns>
    public Tensor forward(Tensor x, Tensor? mask)
    {
        using var scope = NewDisposeScope(); // A block's intermediates are many times its result.
        long rows = x.shape[0], length = _isLast ? 1 : x.shape[1];
        var (query, key, value) = Project(x);
        var attended = Affine(nn.functional.scaled_dot_product_attention(query, key, value, mask, 0.0, false)
            .transpose(1, 2).reshape(rows, length, _config.HiddenSize), _attentionOutput);
        if (_isLast)
            x = x.narrow(1, 0, 1);
        attended = _attentionBottleneck?.forward(attended) ?? attended;
        x = Normalize(attended.add_(x), _attentionNorm);

        // The widest of the intermediates does not wait for the scope's end.
        using var inner = Affine(x, _intermediate);
        using var activated = nn.functional.gelu(inner);
        var transformed = Affine(activated, _output);
        transformed = _outputBottleneck?.forward(transformed) ?? transformed;
        x = Normalize(transformed.add_(x), _outputNorm);
        return (_layerBottleneck?.forward(x) ?? x).MoveToOuterDisposeScope();
    }

    /// <summary>Query, key and value, each [batch, heads, length (1 for the last block's query), hidden / heads], all views.</summary>
    private (Tensor Query, Tensor Key, Tensor Value) Project(Tensor x)
    {
        if (!_isLast)
        {
            var all = Heads(Affine(x, _queryKeyValue), 3);
            return (all[0], all[1], all[2]);
        }
        var keyValue = Heads(Affine(x, _keyValue), 2);
        return (Heads(Affine(x.narrow(1, 0, 1), _query), 1)[0], keyValue[0], keyValue[1]);
    }

    /// <summary>[batch, length, parts · hidden] → each part as [batch, heads, length, hidden / heads].</summary>
    private Tensor[] Heads(Tensor x, int parts) =>
        x.view(x.shape[0], x.shape[1], parts, _config.Heads, _config.HeadSize).permute(2, 0, 3, 1, 4).unbind(0);

    private Tensor Normalize(Tensor x, (Tensor Weight, Tensor Bias) norm) =>
        nn.functional.layer_norm(x, _normalized, norm.Weight, norm.Bias, _config.LayerNormEps);

    private static Tensor Affine(Tensor x, (Tensor Weight, Tensor Bias) linear) => nn.functional.linear(x, linear.Weight, linear.Bias);

    /// <summary>A bottleneck adapter, which no merge removes: see <see cref="BottleneckAdapter"/>.</summary>
    private sealed record Bottleneck((Tensor Weight, Tensor Bias) Down, (Tensor Weight, Tensor Bias) Up, (Tensor Weight, Tensor Bias)? Norm, double Eps)
    {
        public static Bottleneck? TakeIfThere(WeightBag weights, string name, long hidden, double eps)
        {
            if (!weights.Has($"{name}.down.weight"))
                return null;
            var down = weights.Keep(weights.TakeRows($"{name}.down.weight", hidden));
            long size = down.shape[0];
            return new(
                (down, weights.Keep(weights.Take($"{name}.down.bias", size))),
                (weights.Keep(weights.Take($"{name}.up.weight", hidden, size)), weights.Keep(weights.Take($"{name}.up.bias", hidden))),
                weights.Has($"{name}.norm.weight") ? (weights.Keep(weights.Take($"{name}.norm.weight", hidden)), weights.Keep(weights.Take($"{name}.norm.bias", hidden))) : null,
                eps);
        }

        public Tensor forward(Tensor x) => x + Affine(
            Norm is { } norm ? nn.functional.relu(Affine(nn.functional.layer_norm(x, [x.shape[^1]], norm.Weight, norm.Bias, Eps), Down)) : nn.functional.gelu(Affine(x, Down)),
            Up);
    }
}
