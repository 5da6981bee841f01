using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Quantization;

/// <summary>
/// y = x Wᵀ with W held in NF4 (QLoRA, arXiv 2305.14314, equation 5). The tape keeps the quantized weight, not a dequantised
/// copy: backward dequantises again, dL/dx = dL/dy · W. W itself has no gradient.
/// </summary>
internal sealed class Nf4Product : autograd.SingleTensorFunction<Nf4Product>
{
    private const string Weight = "weight";

    /// <summary>
    /// What the last backward on this thread returned. libtorch copies the reference only after the call has returned, and
    /// on a device's thread no dispose scope holds it until then; the next call frees it.
    /// </summary>
    [ThreadStatic]
    private static Tensor? _returned;

    public override string Name => nameof(Nf4Product);

    /// <summary>x [..., in] times weight [out, in] transposed → [..., out], in x's type.</summary>
    public static Tensor Of(Tensor x, Nf4Tensor weight)
    {
        // The function allocates a second tensor of the output's size for gradients that never come; the scope frees it.
        using var scope = NewDisposeScope();
        var y = x.requires_grad && is_grad_enabled() ? apply(x, weight) : Product(x, weight);
        return y.MoveToOuterDisposeScope();
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var weight = (Nf4Tensor)vars[1];
        ctx.set_materialize_grads(false);
        ctx.save_data(Weight, weight);
        return Product((Tensor)vars[0], weight);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var weight = (Nf4Tensor)ctx.get_data(Weight);
        var before = _returned;
        using (NewDisposeScope())
        using (no_grad())
        {
            var rows = grad_output.reshape(-1, weight.Shape[0]);
            var gradient = rows.matmul(weight.Dequantize(grad_output.dtype));
            _returned = gradient.view([.. grad_output.shape[..^1], weight.Shape[1]]).DetachFromDisposeScope();
        }
        before?.Dispose();
        grad_output.Dispose();
        return [_returned, null!];
    }

    private static Tensor Product(Tensor x, Nf4Tensor weight)
    {
        using var scope = NewDisposeScope();
        return nn.functional.linear(x, weight.Dequantize(x.dtype)).MoveToOuterDisposeScope();
    }
}
