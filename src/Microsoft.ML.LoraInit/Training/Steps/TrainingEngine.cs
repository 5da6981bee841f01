using Microsoft.ML.LoraInit.Cuda;
using Microsoft.ML.LoraInit.Roberta.Fused;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>
/// The step that fits the device, and what it needs around it: on CUDA a stream of its own, so that runs in one process go side
/// by side and steps can be recorded. What a machine lacks is left out, with a line in the log.
/// </summary>
internal sealed class TrainingEngine : IDisposable
{
    private readonly CudaStreamScope? _stream;

    private TrainingEngine(TrainingStep step, CudaStreamScope? stream) => (Step, _stream) = (step, stream);

    public TrainingStep Step { get; }

    /// <summary>Must be disposed of on the thread that made it.</summary>
    public static TrainingEngine For(StepParts parts) =>
        parts.Model.Device.type == DeviceType.CUDA ? OnCuda(parts) : new(new HostStep(parts), null);

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

    private static TrainingEngine OnCuda(StepParts parts)
    {
        var device = parts.Model.Device;
        var log = parts.Request.Log;
        if (!CudaGraph.IsAvailable(out var why))
            log?.Invoke($"Training steps run call by call, without CUDA graphs: {why}.");
        var capture = why is null ? new GraphCapture() : null;
        var stream = CudaStreams.IsAvailable(out _) ? new CudaStreamScope(device) : null;
        try
        {
            EncoderKernels? kernels = CudaKernels.TryCreate(device, parts.Model.Base.DType, out why);
            if (kernels is null)
                log?.Invoke($"Small operations run as several kernels each: {why}.");
            kernels ??= new TensorKernels();
            parts.Optimizer.UseKernel(CudaAdamW.TryCreate(device, out _));
            var fused = FusedEncoder.TryCreate(parts.Model, parts.Parameters, kernels);
            GradientPass pass = fused is null
                ? new TapePass(parts.Model, parts.Parameters, parts.Request.Task, kernels)
                : new FusedPass(parts.Model, parts.Parameters, parts.Request.Task, fused, kernels);
            return new(new DeviceStep(parts, pass, capture), stream);
        }
        catch
        {
            stream?.Dispose();
            throw;
        }
    }
}
