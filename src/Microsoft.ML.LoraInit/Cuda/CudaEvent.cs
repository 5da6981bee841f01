using Microsoft.ML.LoraInit.Cuda.Native;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <summary>A mark behind what this thread has queued on a CUDA device so far. Waiting for it sleeps, and does not wait for what is queued after it.</summary>
internal sealed class CudaEvent : IDisposable
{
    private const uint Sleeps = 1, WithoutTimes = 2;

    private readonly CudaDriver _driver;
    private readonly int _device;
    private nint _handle;

    private CudaEvent(CudaDriver driver, int device)
    {
        (_driver, _device) = (driver, device);
        using var context = driver.Enter(device);
        driver.Check(driver.CreateEvent(Sleeps | WithoutTimes, out _handle), "making an event");
        int code = driver.Record(_handle, CudaStreams.CurrentHandle(device));
        if (code == 0)
            return;
        Dispose();
        driver.Check(code, "recording an event");
    }

    /// <summary>The mark, on this thread's stream.</summary>
    /// <param name="device">A CUDA device with an index.</param>
    /// <exception cref="PlatformNotSupportedException">See <see cref="CudaStreams.IsAvailable"/>.</exception>
    /// <exception cref="InvalidOperationException">The device has failed.</exception>
    public static CudaEvent Record(Device device) => new(CudaDriver.TryGet(out var why) ?? throw CudaStreams.Unavailable(why), device.index);

    /// <exception cref="InvalidOperationException">What was queued failed.</exception>
    public void Wait()
    {
        ObjectDisposedException.ThrowIf(_handle == 0, this);
        using var context = _driver.Enter(_device);
        _driver.Check(_driver.WaitFor(_handle), "waiting for a device's results");
    }

    public void Dispose()
    {
        if (_handle == 0)
            return;
        using var context = _driver.Enter(_device);
        _ = _driver.DestroyEvent(_handle);
        _handle = 0;
    }
}
