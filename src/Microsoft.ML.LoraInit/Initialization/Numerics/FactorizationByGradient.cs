using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Numerics;

/// <summary>
/// Fits B·A to W by Adam (IniLoRA, arXiv 2510.03731), all matrices of one shape at once: W [b, m, n], B [b, m, r],
/// A [b, r, n]. Adam works on each number by itself, so the batch gives what separate runs would.
/// </summary>
/// <remarks>
/// The loss of a matrix is mean((B·A − W)²), with the gradients by hand
/// dB = 2/(mn) (B·A − W) Aᵀ = 2/(mn) (B (A Aᵀ) − W Aᵀ) and dA = 2/(mn) Bᵀ (B·A − W) = 2/(mn) ((BᵀB) A − BᵀW).
/// In the second forms nothing of W's size is written: a step reads W twice and does 4bmnr multiplications instead of
/// 6bmnr. The learning rate is that of torch's StepLR. No random numbers are drawn here.
/// </remarks>
internal sealed class FactorizationByGradient
{
    private const double Beta1 = 0.9;
    private const double Beta2 = 0.999;
    private const double Epsilon = 1e-8;

    /// <summary>Adam steps.</summary>
    public required int Steps { get; init; }

    public double LearningRate { get; init; } = 5e-4;

    /// <summary>Steps after which the rate is multiplied by <see cref="Decay"/>, again and again.</summary>
    public int DecayEvery { get; init; } = 5000;

    public double Decay { get; init; } = 0.9;

    /// <summary>Called every hundred steps with their number; may throw to cancel.</summary>
    public Action<int>? OnStep { get; init; }

    /// <param name="w">[b, m, n], fp32.</param>
    /// <param name="b0">[b, m, r], where B starts.</param>
    /// <param name="a0">[b, r, n], where A starts.</param>
    public (Tensor B, Tensor A) Fit(Tensor w, Tensor b0, Tensor a0)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        // One flat buffer for both factors: Adam is then eight calls a step, and everything but the products works in place.
        // Sixteen calls a step in all, none of which waits for the device. baddbmm would save two, but takes its arguments
        // in another order than its documentation says (TorchSharp 0.102.7 to 0.107.0: the last is added to this · first).
        var sizeB = b0.numel();
        var flat = cat([b0.reshape(-1), a0.reshape(-1)], 0);
        var b = flat.narrow(0, 0, sizeB).view(b0.shape);
        var a = flat.narrow(0, sizeB, a0.numel()).view(a0.shape);
        var (bt, at) = (b.transpose(1, 2), a.transpose(1, 2));
        var (first, second, root) = (zeros_like(flat), zeros_like(flat), empty_like(flat));
        var towards = tensor((float)(1 - Beta1), device: flat.device);
        // Adam's step does not depend on the gradient's scale but for ε: that is scaled instead, and 2/(mn) left out.
        var epsilon = Epsilon * w.shape[1] * w.shape[2] / 2.0;
        for (int step = 1; step <= Steps; step++)
        {
            using var stepScope = NewDisposeScope();
            var db = b.bmm(a.bmm(at)).sub_(w.bmm(at));
            var da = bt.bmm(b).bmm(a).sub_(bt.bmm(w));
            var gradient = cat([db.reshape(-1), da.reshape(-1)], 0);
            first.lerp_(gradient, towards);
            second.Mul_(Beta2).Addcmul_(gradient, gradient, 1 - Beta2);
            var correction = Math.Sqrt(1 - Math.Pow(Beta2, step));
            root.copy_(second).sqrt_().Add_(epsilon * correction);
            var rate = LearningRate * Math.Pow(Decay, (step - 1) / DecayEvery);
            flat.Addcdiv_(first, root, -rate * correction / (1 - Math.Pow(Beta1, step)));
            if (step % 100 == 0)
                OnStep?.Invoke(step);
        }
        return (b.clone().MoveToOuterDisposeScope(), a.clone().MoveToOuterDisposeScope());
    }
}
