using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inspection;

/// <summary>The most that the memory of process and device rises while this lives, by samples.</summary>
internal sealed class MemoryWatch : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    private readonly Lock _gate = new();
    private readonly Device _device;
    private readonly long _processStart;
    private readonly long? _deviceStart;
    private readonly Timer _timer;
    private long _processPeak;
    private long? _devicePeak;

    public MemoryWatch(Device device)
    {
        _device = device;
        _processStart = _processPeak = Environment.WorkingSet;
        _deviceStart = _devicePeak = CudaMemory.Used(device);
        _timer = new(_ => Sample(), null, Interval, Interval);
    }

    /// <summary>The rise of the process's resident memory, bytes.</summary>
    public long ProcessBytes
    {
        get
        {
            Sample();
            return _processPeak - _processStart;
        }
    }

    /// <summary>The rise of the device's used memory, bytes; null where it cannot be asked for.</summary>
    public long? DeviceBytes
    {
        get
        {
            Sample();
            return _devicePeak - _deviceStart;
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Sample()
    {
        lock (_gate)
        {
            _processPeak = Math.Max(_processPeak, Environment.WorkingSet);
            if (_devicePeak is { } peak && CudaMemory.Used(_device) is { } used)
                _devicePeak = Math.Max(peak, used);
        }
    }
}
