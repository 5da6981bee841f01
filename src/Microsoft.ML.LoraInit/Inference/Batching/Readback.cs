using Microsoft.ML.LoraInit.Cuda;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference.Batching;

/// <summary>Numbers that a device may still be computing, on their way to the host: they do not wait for what is queued after them.</summary>
internal sealed class Readback : IDisposable
{
    private readonly Tensor _values;
    private readonly CudaEvent? _arrival;

    /// <param name="values">fp32; taken over.</param>
    public Readback(Tensor values)
    {
        _values = values;
        if (values.device_type != DeviceType.CUDA || !CudaStreams.IsAvailable(out _))
            return;
        var device = values.device;
        using (values)
            _values = values.to(CPU, false, false, true).DetachFromDisposeScope(); // into pinned memory, queued like a kernel
        try
        {
            _arrival = CudaEvent.Record(device);
        }
        catch
        {
            _values.Dispose();
            throw;
        }
    }

    /// <summary>Waits for them; called once.</summary>
    public float[] Read()
    {
        _arrival?.Wait();
        using var host = _values.cpu();
        return host.data<float>().ToArray();
    }

    public void Dispose()
    {
        _values.Dispose();
        _arrival?.Dispose();
    }
}
