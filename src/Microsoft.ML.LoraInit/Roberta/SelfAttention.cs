using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>Multi-head self-attention: softmax(Q Kᵀ / √d) V per head.</summary>
internal sealed class SelfAttention
{
    private readonly RobertaConfig _config;

    public SelfAttention(RobertaConfig config, Func<EncoderModule, Linear> linear)
    {
        _config = config;
        Query = linear(EncoderModule.Query);
        Key = linear(EncoderModule.Key);
        Value = linear(EncoderModule.Value);
    }

    public Linear Query { get; }

    public Linear Key { get; }

    public Linear Value { get; }

    /// <param name="x">[batch, length, hidden].</param>
    /// <param name="mask">Bool [batch, 1, 1, length], true where a key may be attended to; null when all may.</param>
    /// <param name="context">The pass.</param>
    /// <param name="firstOnly">Attend from the first token only.</param>
    /// <returns>[batch, length, hidden], heads side by side.</returns>
    public Tensor forward(Tensor x, Tensor? mask, ForwardContext context, bool firstOnly = false)
    {
        var q = Heads(Query.forward(firstOnly ? x.narrow(1, 0, 1) : x, context));
        var k = Heads(Key.forward(x, context));
        var v = Heads(Value.forward(x, context));
        var attended = context.Dropout is null || _config.AttentionDropout <= 0
            ? nn.functional.scaled_dot_product_attention(q, k, v, mask, 0.0, false)
            : WithDropout(q, k, v, mask, context);
        return attended.transpose(1, 2).reshape(x.shape[0], firstOnly ? 1 : x.shape[1], -1);
    }

    // The fused operator draws dropout from the global generator, so a seeded pass spells the formula out.
    private Tensor WithDropout(Tensor q, Tensor k, Tensor v, Tensor? mask, ForwardContext context)
    {
        var scores = q.matmul(k.transpose(2, 3)).Mul_(1.0 / Math.Sqrt(_config.HeadSize));
        if (mask is not null)
            scores = scores.MaskedFill(mask.logical_not(), double.NegativeInfinity);
        return context.ApplyDropout(scores.softmax(-1), _config.AttentionDropout).matmul(v);
    }

    /// <summary>[batch, length, hidden] → [batch, heads, length, hidden / heads].</summary>
    private Tensor Heads(Tensor x) =>
        x.view(x.shape[0], x.shape[1], _config.Heads, _config.HeadSize).transpose(1, 2);
}
