using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>
/// One block of the shared base. Each product with a base weight is done once for all rows, query, key and value together; then
/// each adapter corrects its own rows. The last block computes the first token alone, which is all that heads read.
/// </summary>
internal sealed class SharedLayer
{
    private readonly RobertaConfig _config;
    private readonly int _index;
    private readonly bool _isLast;
    private readonly (Tensor Weight, Tensor Bias) _query, _keyValue, _queryKeyValue, _attentionOutput, _intermediate, _output, _attentionNorm, _outputNorm;

    /// <param name="config">The base's shape.</param>
    /// <param name="index">The block, from 0.</param>
    /// <param name="weights">Taken from, checked and kept.</param>
    public SharedLayer(RobertaConfig config, int index, WeightBag weights)
    {
        (_config, _index, _isLast) = (config, index, index == config.Layers - 1);
        long hidden = config.HiddenSize;
        var name = $"roberta.encoder.layer.{index}";
        string[] projections = ["query", "key", "value"];
        var weight = weights.Keep(cat(projections.Select(p => weights.Take($"{name}.attention.self.{p}.weight", hidden, hidden)).ToArray(), 0));
        var bias = weights.Keep(cat(projections.Select(p => weights.Take($"{name}.attention.self.{p}.bias", hidden)).ToArray(), 0));
        _queryKeyValue = (weight, bias);
        _query = (weights.Keep(weight.narrow(0, 0, hidden)), weights.Keep(bias.narrow(0, 0, hidden)));
        _keyValue = (weights.Keep(weight.narrow(0, hidden, 2 * hidden)), weights.Keep(bias.narrow(0, hidden, 2 * hidden)));
        _attentionOutput = Take($"{name}.attention.output.dense", hidden, hidden);
        _attentionNorm = Take($"{name}.attention.output.LayerNorm", hidden);
        _intermediate = Take($"{name}.intermediate.dense", config.IntermediateSize, hidden);
        _output = Take($"{name}.output.dense", hidden, config.IntermediateSize);
        _outputNorm = Take($"{name}.output.LayerNorm", hidden);

        (Tensor, Tensor) Take(string module, params long[] shape) =>
            (weights.Keep(weights.Take($"{module}.weight", shape)), weights.Keep(weights.Take($"{module}.bias", shape[0])));
    }

    /// <param name="x">[batch, length, hidden].</param>
    /// <param name="mask">Bool [batch, 1, 1, length], or null where no row is padded.</param>
    /// <param name="slices">Which rows are whose; every row once.</param>
    /// <returns>The same shape; [batch, 1, hidden] from the last block.</returns>
    public Tensor forward(Tensor x, Tensor? mask, IReadOnlyList<AdapterSlice> slices)
    {
        using var scope = NewDisposeScope(); // A block's intermediates are many times its result.
        var (query, key, value) = Project(x, slices);
        var attended = nn.functional.scaled_dot_product_attention(query, key, value, mask, 0.0, false)
            .transpose(1, 2).reshape(x.shape[0], query.shape[2], _config.HiddenSize);
        if (_isLast)
            x = x.narrow(1, 0, 1);
        x = Normalize(Product(attended, _attentionOutput, slices, EncoderModule.AttentionOutput).add_(x), _attentionNorm);
        var inner = nn.functional.gelu(Product(x, _intermediate, slices, EncoderModule.Intermediate));
        return Normalize(Product(inner, _output, slices, EncoderModule.Output).add_(x), _outputNorm).MoveToOuterDisposeScope();
    }

    /// <summary>Query, key and value, each [batch, heads, length (1 for the last block's query), hidden / heads].</summary>
    private (Tensor Query, Tensor Key, Tensor Value) Project(Tensor x, IReadOnlyList<AdapterSlice> slices)
    {
        if (!_isLast)
        {
            var all = Heads(Product(x, _queryKeyValue, slices, EncoderModule.Query, EncoderModule.Key, EncoderModule.Value), 3);
            return (all.select(0, 0), all.select(0, 1), all.select(0, 2));
        }
        var keyValue = Heads(Product(x, _keyValue, slices, EncoderModule.Key, EncoderModule.Value), 2);
        var query = Heads(Product(x.narrow(1, 0, 1), _query, slices, EncoderModule.Query), 1);
        return (query.select(0, 0), keyValue.select(0, 0), keyValue.select(0, 1));
    }

    /// <summary>x Wᵀ + b of some modules side by side, corrected by each slice's adapter.</summary>
    private Tensor Product(Tensor x, (Tensor Weight, Tensor Bias) linear, IReadOnlyList<AdapterSlice> slices, params ReadOnlySpan<EncoderModule> modules)
    {
        var product = nn.functional.linear(x, linear.Weight, linear.Bias);
        long width = product.shape[2] / modules.Length;
        foreach (var slice in slices)
            for (int i = 0; i < modules.Length; i++)
                if (slice.Adapter.Has(_index, modules[i]))
                    slice.Adapter.Correct(_index, modules[i], x.narrow(0, slice.Start, slice.Rows), product.narrow(0, slice.Start, slice.Rows).narrow(2, i * width, width));
        return product;
    }

    /// <summary>[batch, length, parts · hidden] → [parts, batch, heads, length, hidden / heads].</summary>
    private Tensor Heads(Tensor x, int parts) =>
        x.view(x.shape[0], x.shape[1], parts, _config.Heads, _config.HeadSize).permute(2, 0, 3, 1, 4);

    private Tensor Normalize(Tensor x, (Tensor Weight, Tensor Bias) norm) =>
        nn.functional.layer_norm(x, [_config.HiddenSize], norm.Weight, norm.Bias, _config.LayerNormEps);
}
