using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>Self-attention over projected queries, keys and values, with its backward pass.</summary>
/// <param name="config">The model's shape.</param>
/// <param name="kernels">Computes all of it, or splits heads and computes the softmax where probabilities are dropped out.</param>
/// <param name="layer">Which layer, for its dropout mask.</param>
internal sealed class FusedAttention(RobertaConfig config, EncoderKernels kernels, int layer)
{
    /// <summary>Probabilities are kept for the backward pass up to this many bytes a layer, and computed again above.</summary>
    private const long KeptBytes = 64L << 20;

    private readonly double _scale = 1 / Math.Sqrt(config.HeadSize);

    /// <summary>Every token attends. projected [rows, 3 · hidden], taken over, → [rows, hidden], and what gives ∂projected from its gradient.</summary>
    /// <param name="projected">Queries, keys and values.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="room">The <see cref="RowRoom"/> that ∂projected gets where that takes no copy.</param>
    public AttentionResult All(Tensor projected, EncoderPass pass, long room = 0)
    {
        if (kernels.TryAttend(projected, pass.Batch, pass.Length, config.Heads, pass.Lengths, _scale, Mask(pass), room) is { } attended)
            return attended;
        return Drops(pass)
            ? WithDropout(projected, pass, room)
            : Native([projected], leaves =>
            {
                var parts = leaves[0].view(pass.Batch, pass.Length, 3, config.Heads, config.HeadSize).unbind(2);
                return (parts[0], parts[1], parts[2]);
            }, pass);
    }

    /// <summary>Each row's first token attends to all. query [batch, hidden], projected [rows, 2 · hidden], taken over, → [batch, hidden].</summary>
    /// <param name="query">The first tokens' queries.</param>
    /// <param name="projected">All keys and values.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="room">The <see cref="RowRoom"/> that ∂projected gets where that takes no copy.</param>
    public AttentionResult First(Tensor query, Tensor projected, EncoderPass pass, long room = 0) => Drops(pass)
        ? FirstWithDropout(query, projected, pass, room)
        : Native([query, projected], leaves =>
        {
            var parts = leaves[1].view(pass.Batch, pass.Length, 2, config.Heads, config.HeadSize).unbind(2);
            return (leaves[0].view(pass.Batch, 1, config.Heads, config.HeadSize), parts[0], parts[1]);
        }, pass);

    private bool Drops(EncoderPass pass) => pass.Seed is not null && config.AttentionDropout > 0;

    // The fused operator's own backward pass, through a tape of this one operation.
    private static AttentionResult Native(Tensor[] inputs, Func<Tensor[], (Tensor Q, Tensor K, Tensor V)> split, EncoderPass pass)
    {
        using var tape = enable_grad();
        var leaves = Array.ConvertAll(inputs, x => x.detach().requires_grad_(true));
        var (q, k, v) = split(leaves);
        var attended = nn.functional.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), pass.Mask, 0.0, false);
        var output = attended.transpose(1, 2).reshape(inputs[0].shape[0], -1);
        return new(output.detach(), gradient => Tape.Gradients(output, gradient, leaves));
    }

    private AttentionResult WithDropout(Tensor projected, EncoderPass pass, long room)
    {
        var heads = kernels.SplitHeads(projected, pass.Batch, pass.Length, 3, config.Heads);
        projected.Dispose();
        var (q, k, v) = (heads[0], heads[1], heads[2]);
        var attended = Probabilities(q, k, pass);
        var output = attended.Dropped.bmm(v);
        var joined = kernels.JoinHeads(output.unsqueeze(0), pass.Batch, pass.Length, 1, config.Heads);
        var bytes = attended.Probabilities.numel() * attended.Probabilities.element_size();
        var kept = bytes <= KeptBytes ? attended : null;
        if (kept is null)
            Release(attended);
        output.Dispose();
        return new(joined, gradient =>
        {
            var softmax = kept ?? Probabilities(q, k, pass);
            var incoming = kernels.SplitHeads(gradient, pass.Batch, pass.Length, 1, config.Heads)[0];
            var (dq, dk, dv) = Backward(incoming, q, k, v, softmax, pass);
            Release(softmax);
            return [kernels.JoinHeads(stack([dq, dk, dv], 0), pass.Batch, pass.Length, 3, config.Heads, room)];
        });
    }

    private AttentionResult FirstWithDropout(Tensor query, Tensor projected, EncoderPass pass, long room)
    {
        var heads = kernels.SplitHeads(projected, pass.Batch, pass.Length, 2, config.Heads);
        projected.Dispose();
        var (q, k, v) = (query.view((long)pass.Batch * config.Heads, 1, config.HeadSize), heads[0], heads[1]);
        var softmax = Probabilities(q, k, pass);
        return new(softmax.Dropped.bmm(v).view(query.shape), gradient =>
        {
            var (dq, dk, dv) = Backward(gradient.view(q.shape), q, k, v, softmax, pass);
            return [dq.view(query.shape), kernels.JoinHeads(stack([dk, dv], 0), pass.Batch, pass.Length, 2, config.Heads, room)];
        });
    }

    private SoftmaxResult Probabilities(Tensor q, Tensor k, EncoderPass pass)
    {
        using var scores = q.bmm(k.transpose(1, 2)); // the largest tensor of all: not to wait for the pass's end
        return kernels.Softmax(scores, pass.Lengths, config.Heads, _scale, Mask(pass));
    }

    private (Tensor Q, Tensor K, Tensor V) Backward(Tensor gradient, Tensor q, Tensor k, Tensor v, SoftmaxResult softmax, EncoderPass pass)
    {
        var dv = softmax.Dropped.transpose(1, 2).bmm(gradient);
        var scores = kernels.SoftmaxBackward(gradient.bmm(v.transpose(1, 2)), softmax.Probabilities, _scale, Mask(pass));
        return (scores.bmm(k), scores.transpose(1, 2).bmm(q), dv);
    }

    private DropoutMask Mask(EncoderPass pass) => pass.OnAttention(layer, config.AttentionDropout);

    private static void Release(SoftmaxResult softmax)
    {
        softmax.Probabilities.Dispose();
        softmax.Dropped.Dispose();
    }
}

/// <summary>What attention gave.</summary>
/// <param name="Output">Per attending token, [.., hidden].</param>
/// <param name="Backward">Gradients of the inputs, from that of <paramref name="Output"/>; call once, in the pass's scope.</param>
internal sealed record AttentionResult(Tensor Output, Func<Tensor, Tensor[]> Backward);
