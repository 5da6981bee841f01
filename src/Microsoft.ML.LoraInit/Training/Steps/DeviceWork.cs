using Microsoft.ML.LoraInit.Cuda;
using Microsoft.ML.LoraInit.Fused;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>How one device computes gradients.</summary>
/// <param name="Pass">Forward and backward.</param>
/// <param name="Capture">Records work; null to run call by call.</param>
internal sealed record DeviceWork(GradientPass Pass, WorkCapture? Capture)
{
    /// <summary>The fastest that the model's device has. What it lacks is left out, with a line in the log.</summary>
    public static DeviceWork For(GradientParts parts)
    {
        var (device, log) = (parts.Model.Device, parts.Request.Log);
        if (device.type != TorchSharp.DeviceType.CUDA)
            return new(GradientPass.For(parts, new TensorKernels()), null);
        if (!CudaGraph.IsAvailable(out var why))
            log?.Invoke($"Training steps run call by call, without CUDA graphs: {why}.");
        var capture = why is null ? new GraphCapture() : null;
        EncoderKernels? kernels = CudaKernels.TryCreate(device, parts.Model.Base.DType, out why);
        if (kernels is null)
            log?.Invoke($"Small operations run as several kernels each: {why}.");
        return new(GradientPass.For(parts, kernels ?? new TensorKernels()), capture);
    }

    /// <summary>A stream of the device's for this thread; null where there are none.</summary>
    public static CudaStreamScope? Stream(Device device) =>
        device.type == TorchSharp.DeviceType.CUDA && CudaStreams.IsAvailable(out _) ? new CudaStreamScope(device) : null;
}
