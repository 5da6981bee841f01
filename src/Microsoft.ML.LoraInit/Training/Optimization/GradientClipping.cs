using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Optimization;

/// <summary>Clipping by the global norm, as <c>torch.nn.utils.clip_grad_norm_</c> does it.</summary>
internal static class GradientClipping
{
    private const double Epsilon = 1e-6;

    /// <summary>
    /// Scales the gradient by min(1, max / (‖g‖ + 1e-6)), on the device: nothing waits for the norm.
    /// </summary>
    /// <param name="parameters">What has been differentiated.</param>
    /// <param name="maximum">The norm allowed; 0 measures without clipping.</param>
    /// <returns>‖g‖ before clipping, a scalar on the device, in the caller's scope.</returns>
    /// <exception cref="InvalidOperationException">No backward pass has left a gradient.</exception>
    public static Tensor Apply(TrainableParameters parameters, double maximum)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var gradient = parameters.Flat.grad ?? throw new InvalidOperationException("There is no gradient to clip: run a backward pass first.");
        var norm = gradient.norm();
        if (maximum > 0)
            gradient.mul_(norm.Add(Epsilon).reciprocal_().Mul_(maximum).ClampMax_(1.0));
        return norm.MoveToOuterDisposeScope();
    }
}
