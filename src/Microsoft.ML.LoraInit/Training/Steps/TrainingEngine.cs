using Microsoft.ML.LoraInit.Cuda;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>
/// The step that fits the devices, and what it needs around it: on CUDA a stream of its own, so that runs in one process go side
/// by side and steps can be recorded.
/// </summary>
internal sealed class TrainingEngine : IDisposable
{
    private readonly CudaStreamScope? _stream;

    private TrainingEngine(TrainingStep step, CudaStreamScope? stream) => (Step, _stream) = (step, stream);

    public TrainingStep Step { get; }

    /// <summary>Must be disposed of on the thread that made it.</summary>
    public static TrainingEngine For(StepParts parts)
    {
        var (device, alone) = (parts.Model.Device, parts.Request.OtherDevices.Count == 0);
        if (alone && device.type != DeviceType.CUDA)
            return new(new CpuStep(parts), null);
        var stream = DeviceWork.Stream(device);
        try
        {
            if (device.type == DeviceType.CUDA)
                parts.Optimizer.UseKernel(CudaAdamW.TryCreate(device, out _));
            return new(alone ? new DeviceStep(parts, DeviceWork.For(parts.Gradients)) : ParallelStep.Create(parts, DeviceWork.For), stream);
        }
        catch
        {
            stream?.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        try
        {
            Step.Dispose();
        }
        finally
        {
            _stream?.Dispose();
        }
    }
}
