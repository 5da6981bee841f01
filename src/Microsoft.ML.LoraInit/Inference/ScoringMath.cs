using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Cuda;
using Microsoft.ML.LoraInit.Fused;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// What a block computes between its products: in training's kernels on a GPU, which read and write each number once, unless a
/// gradient is wanted; with libtorch's operations elsewhere.
/// </summary>
/// <param name="kernels">Training's; null for none.</param>
/// <param name="eps">Added to the variance.</param>
internal sealed class ScoringMath(EncoderKernels? kernels, double eps)
{
    /// <summary>The fastest that the weights' device has for their type.</summary>
    public static ScoringMath For(Tensor weights, double eps) =>
        new(weights.device_type == DeviceType.CUDA ? CudaKernels.TryCreate(weights.device, weights.dtype, out _) : null, eps);

    /// <summary>LN(update + residual) over the last dimension; may overwrite <paramref name="update"/>.</summary>
    /// <param name="update">[..., hidden], contiguous.</param>
    /// <param name="residual">Of the same shape.</param>
    /// <param name="norm">γ and β, [hidden].</param>
    public Tensor AddNorm(Tensor update, Tensor residual, (Tensor Weight, Tensor Bias) norm) =>
        kernels is null || update.requires_grad || residual.requires_grad
            ? nn.functional.layer_norm(update.Add_(residual), norm.Weight.shape, norm.Weight, norm.Bias, eps)
            : kernels.AddNorm(update, residual.contiguous(), norm.Weight, norm.Bias, eps, DropoutMask.None).Output;

    /// <summary>x Φ(x), exact; x is contiguous.</summary>
    public Tensor Gelu(Tensor x) => kernels is null || x.requires_grad ? nn.functional.gelu(x) : kernels.Gelu(x);
}
