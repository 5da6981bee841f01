using Microsoft.ML.LoraInit.Inspection;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Steps;

/// <summary>
/// The rise of used memory since the process began to measure. libtorch's allocator gives no device memory back, so that what
/// is used at the end is the peak; what it kept from an earlier measurement of the same process counts too.
/// </summary>
internal sealed class PeakMemory : IDisposable
{
    private static long? _baseline;

    private readonly Device _device;
    private readonly MemoryWatch? _process;

    public PeakMemory(Device device)
    {
        _device = device;
        _baseline ??= CudaMemory.Used(device);
        _process = device.type == TorchSharp.DeviceType.CPU ? new MemoryWatch(device) : null; // its timer would disturb a GPU's steps
    }

    /// <summary>Device memory on a GPU, the process's resident memory on a CPU; null where the driver cannot be asked.</summary>
    public double? Megabytes => (_process?.ProcessBytes ?? CudaMemory.Used(_device) - _baseline) / 1048576.0;

    public void Dispose() => _process?.Dispose();
}
