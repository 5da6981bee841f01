using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>
/// What a fused layer computes between its products, each result with what gives its backward pass, which is to be called once.
/// Nothing is kept but what that reads.
/// </summary>
internal sealed class LayerMath(EncoderKernels kernels)
{
    /// <summary>LN(dropout(update) + residual) over the last dimension; <paramref name="update"/> is taken over; the output has <paramref name="room"/>.</summary>
    public (Tensor Output, Func<Tensor, NormGradient> Backward) AddNorm(Tensor update, Tensor residual, LayerNorm norm, DropoutMask dropout, long room = 0)
    {
        var result = kernels.AddNorm(update, residual, norm.Weight.Value, norm.Bias.Value, norm.Eps, dropout, room);
        update.Dispose();
        return (result.Output, gradient => kernels.AddNormBackward(gradient, result, norm.Weight.Value, dropout));
    }

    /// <summary>x Φ(x); <paramref name="x"/> is taken over.</summary>
    public (Tensor Output, Func<Tensor, Tensor> Backward) Gelu(Tensor x) => (kernels.Gelu(x), gradient => kernels.GeluBackward(gradient, x));
}
