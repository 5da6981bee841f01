using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta.Fused;

/// <summary>What a fused layer computes between its products, each result with what gives its backward pass. Call that once.</summary>
internal abstract class LayerMath
{
    /// <summary>LN(dropout(update) + residual) over the last dimension; <paramref name="update"/> is taken over.</summary>
    public abstract (Tensor Output, Func<Tensor, NormGradient> Backward) AddNorm(Tensor update, Tensor residual, LayerNorm norm, DropoutMask dropout);

    /// <summary>x Φ(x); <paramref name="x"/> is taken over.</summary>
    public abstract (Tensor Output, Func<Tensor, Tensor> Backward) Gelu(Tensor x);
}

/// <summary>By the encoder's kernels: nothing is kept but what the backward pass reads.</summary>
internal sealed class KernelMath(EncoderKernels kernels) : LayerMath
{
    public override (Tensor, Func<Tensor, NormGradient>) AddNorm(Tensor update, Tensor residual, LayerNorm norm, DropoutMask dropout)
    {
        var result = kernels.AddNorm(update, residual, norm.Weight.Value, norm.Bias.Value, norm.Eps, dropout);
        update.Dispose();
        return (result.Output, gradient => kernels.AddNormBackward(gradient, result, norm.Weight.Value, dropout));
    }

    public override (Tensor, Func<Tensor, Tensor>) Gelu(Tensor x) => (kernels.Gelu(x), gradient => kernels.GeluBackward(gradient, x));
}

/// <summary>By libtorch's own operations, each with a tape of its own: for CPUs, which have fast ones.</summary>
/// <param name="kernels">Make the dropout masks, anew in the backward pass.</param>
internal sealed class TapedMath(EncoderKernels kernels) : LayerMath
{
    public override (Tensor, Func<Tensor, NormGradient>) AddNorm(Tensor update, Tensor residual, LayerNorm norm, DropoutMask dropout)
    {
        if (dropout.Drops)
        {
            using var mask = kernels.Mask(update.shape, update.dtype, dropout);
            update.mul_(mask);
        }
        var (output, backward) = Taped(update.add_(residual), norm.forward);
        return (output, gradient =>
        {
            var sum = backward(gradient);
            return new(sum, dropout.Drops ? kernels.Mask(sum.shape, sum.dtype, dropout).mul_(sum) : sum);
        }
        );
    }

    public override (Tensor, Func<Tensor, Tensor>) Gelu(Tensor x) => Taped(x, nn.functional.gelu);

    private static (Tensor, Func<Tensor, Tensor>) Taped(Tensor x, Func<Tensor, Tensor> operation)
    {
        using var tape = enable_grad();
        var leaf = x.detach().requires_grad_(true);
        var output = operation(leaf);
        return (output.detach(), gradient => Tape.Gradients(output, gradient, leaf)[0]);
    }
}
