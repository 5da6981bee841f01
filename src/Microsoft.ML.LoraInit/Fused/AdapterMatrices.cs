using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>
/// The trained A and B of all projections as products read them, in the type of the passes, and their gradients as products write them.
/// One kernel brings the numbers from the flat buffer and one brings the gradients back, however many adapters there are.
/// </summary>
internal sealed class AdapterMatrices : IDisposable
{
    private readonly EncoderKernels _kernels;
    private readonly Tensor _values, _gradients;
    private readonly Tensor? _start; // fp32, aligned with the flat buffer
    private readonly NumberMap _spread;
    private readonly NumberMap _collect;

    /// <param name="plan">What is where.</param>
    /// <param name="kernels">Move the numbers.</param>
    /// <param name="type">What the encoder computes with.</param>
    /// <param name="device">Where.</param>
    /// <param name="start">fp32, aligned with the flat buffer: what adapters over an untouched base started from; taken over. Null where there are none.</param>
    public AdapterMatrices(MatrixPlan plan, EncoderKernels kernels, ScalarType type, Device device, Tensor? start)
    {
        (_kernels, _start) = (kernels, start);
        _values = zeros(plan.ValueCount, type, device).DetachFromDisposeScope();
        _gradients = zeros(plan.GradientCount, type, device).DetachFromDisposeScope();
        (_spread, _collect) = (plan.Values(device), plan.Gradients(device));
    }

    /// <summary>A part of the matrices as [rows, columns]; a view in the caller's scope.</summary>
    public Tensor Values(long start, long rows, long columns, long stride) => _values.as_strided([rows, columns], [stride, 1], start);

    /// <summary>A part of the gradients as [rows, columns]; a view in the caller's scope.</summary>
    public Tensor Gradients(long start, long rows, long columns) => _gradients.narrow(0, start, rows * columns).view(rows, columns);

    /// <summary>Brings this step's numbers. What changed since the start is subtracted in fp32, so that a small change is not lost in the rounding of its values.</summary>
    /// <param name="flat">fp32, all trained numbers.</param>
    public void Load(Tensor flat) => _kernels.Spread(flat, _start, _spread, _values);

    /// <summary>Adds the gradients to those of the flat buffer.</summary>
    /// <param name="gradient">fp32, aligned with the flat buffer.</param>
    public void AddGradients(Tensor gradient) => _kernels.Collect(_gradients, _collect, gradient);

    public void Dispose()
    {
        _values.Dispose();
        _gradients.Dispose();
        _start?.Dispose();
        _spread.Dispose();
        _collect.Dispose();
    }
}
