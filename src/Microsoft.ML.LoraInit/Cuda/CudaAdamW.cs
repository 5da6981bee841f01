using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <summary>
/// Clipping, AdamW (arXiv 1711.05101, in <c>torch.optim.AdamW</c>'s order) and zeroing the gradient as one kernel over flat fp32
/// vectors. What changes from step to step is read on the device, so a captured graph can hold it.
/// </summary>
internal sealed class CudaAdamW
{
    private const int Block = 256;
    private static readonly KernelProgram Program = new("AdamW", "");
    private readonly KernelLauncher _launcher;

    private CudaAdamW(KernelLauncher launcher) => _launcher = launcher;

    /// <summary>The kernel, or null where it cannot be compiled or run, and why.</summary>
    public static CudaAdamW? TryCreate(Device device, out string? why) =>
        KernelLauncher.TryCreate(device, [(Program, "adamw")], out why) is { } launcher ? new CudaAdamW(launcher) : null;

    /// <summary>One step in place; the gradient is zero afterwards.</summary>
    /// <param name="value">Float32, n values.</param>
    /// <param name="gradient">Float32, n values.</param>
    /// <param name="first">First moments, Float32, n values.</param>
    /// <param name="second">Second moments, Float32, n values.</param>
    /// <param name="decay">Decay of each value, its learning-rate factor included; null where <see cref="AdamWStep.Decay"/> is everyone's.</param>
    /// <param name="factor">Learning-rate factor of each value; null where <see cref="AdamWStep.Factor"/> is everyone's.</param>
    /// <param name="norm">The gradient's norm, one Float32; null where nothing is clipped.</param>
    /// <param name="scalars">Float32 [4]: learning rate, 1 / (1 − β₁ᵗ), 1 / √(1 − β₂ᵗ), and one unused.</param>
    /// <param name="step">What stays the same.</param>
    /// <exception cref="ArgumentException">A tensor is of another device, type or size, or not contiguous; or there is a maximum and no norm.</exception>
    public void Step(Tensor value, Tensor gradient, Tensor first, Tensor second, Tensor? decay, Tensor? factor, Tensor? norm, Tensor scalars, AdamWStep step)
    {
        long count = value.numel();
        Check(value, nameof(value));
        Check(gradient, nameof(gradient));
        Check(first, nameof(first));
        Check(second, nameof(second));
        if (decay is not null)
            Check(decay, nameof(decay));
        if (factor is not null)
            Check(factor, nameof(factor));
        _launcher.Check(scalars, nameof(scalars), ScalarType.Float32, 4);
        if (norm is not null)
            _launcher.Check(norm, nameof(norm), ScalarType.Float32, 1);
        else if (step.MaximumNorm > 0)
            throw new ArgumentException($"Clipping to {step.MaximumNorm} needs the gradient's norm.", nameof(norm));
        _launcher.Launch(Program, "adamw", (count + Block - 1) / Block, Block,
            KernelLauncher.Value(value), KernelLauncher.Value(gradient), KernelLauncher.Value(first), KernelLauncher.Value(second),
            KernelLauncher.Value(decay), KernelLauncher.Value(factor), KernelLauncher.Value(norm), KernelLauncher.Value(scalars),
            KernelLauncher.Value(count), Single(step.MaximumNorm), Single(step.Beta1), Single(1 - step.Beta1), Single(step.Beta2),
            Single(1 - step.Beta2), Single(step.Epsilon), Single(step.Decay), Single(step.Factor));

        void Check(Tensor tensor, string name) => _launcher.Check(tensor, name, ScalarType.Float32, count);

        static ulong Single(double number) => KernelLauncher.Value((float)number);
    }
}

/// <summary>What is the same for every step and value of <see cref="CudaAdamW"/>.</summary>
/// <param name="MaximumNorm">The gradient's norm is clipped to this; 0 clips nothing.</param>
/// <param name="Beta1">First moments' decay.</param>
/// <param name="Beta2">Second moments' decay.</param>
/// <param name="Epsilon">Added to the root.</param>
/// <param name="Decay">Decoupled decay where no tensor gives it, its learning-rate factor included.</param>
/// <param name="Factor">Learning-rate factor where no tensor gives it.</param>
internal readonly record struct AdamWStep(double MaximumNorm, double Beta1, double Beta2, double Epsilon, double Decay, double Factor);
