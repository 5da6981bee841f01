using System.Collections.Concurrent;
using Microsoft.ML.LoraInit.Cuda.Native;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <summary>
/// Makes a stream of libtorch's pool this thread's current one, so that its work runs beside other threads' and can be captured.
/// Enter and leave on one thread. The pool has 32 streams a device, shared out in turn.
/// </summary>
/// <remarks>
/// Entering waits for the device, so that tensors made before are ready; leaving waits for the stream, so that tensors made
/// within are. A tensor that was made on one stream and is disposed of while another still reads it may be overwritten: keep
/// what crosses the scope's border alive until one of these waits.
/// </remarks>
internal sealed class CudaStreamScope : IDisposable
{
    private static readonly ConcurrentDictionary<int, ConcurrentStack<TorchStream>> Free = new();

    // By device: never among the free ones. libtorch's libraries keep memory by stream, and recordings go on using it.
    private static readonly ConcurrentDictionary<int, ConcurrentStack<TorchStream>> Reserved = new();

    private readonly TorchCuda _torch;
    private readonly CudaDriver _driver;
    private readonly int _device;
    private readonly int _previousDevice;
    private readonly TorchStream _previous;
    private readonly TorchStream _stream;
    private readonly nint _handle;
    private readonly ConcurrentStack<TorchStream> _returnsTo;
    private bool _left;

    /// <param name="device">A CUDA device; without an index, the thread's current one.</param>
    /// <param name="forRecordings">
    /// Whether to take a stream that work is only recorded on, to be launched on others: what a run's stream has of its own would be
    /// used by the run and by the recording at once.
    /// </param>
    /// <exception cref="ArgumentException">The device is no CUDA device.</exception>
    /// <exception cref="PlatformNotSupportedException">See <see cref="CudaStreams.IsAvailable"/>.</exception>
    /// <exception cref="InvalidOperationException">The device has failed.</exception>
    public CudaStreamScope(Device device, bool forRecordings = false)
    {
        if (device.type != TorchSharp.DeviceType.CUDA)
            throw new ArgumentException($"A CUDA stream needs a CUDA device, not '{device}'.", nameof(device));
        _torch = TorchCuda.TryGet(out var why) ?? throw CudaStreams.Unavailable(why);
        _driver = CudaDriver.TryGet(out why) ?? throw CudaStreams.Unavailable(why);
        _previousDevice = _torch.Device();
        _device = device.index >= 0 ? device.index : _previousDevice;
        int count = cuda.device_count();
        if (_device >= count)
            throw new ArgumentException($"There is no CUDA device {_device}: there are {count}.", nameof(device));
        // libtorch may not have touched this device yet, and its streams need a context.
        using (empty(1, ScalarType.Float32, new Device(TorchSharp.DeviceType.CUDA, _device)))
        {
        }
        _torch.SetDevice(_device);
        try
        {
            using var context = _driver.Enter(_device);
            // Waiting for a device while another thread captures there would spoil that capture.
            lock (CudaGraph.Gate)
                _driver.Check(_driver.Synchronize(), $"waiting for CUDA device {_device}");
        }
        catch
        {
            _torch.SetDevice(_previousDevice);
            throw;
        }
        _previous = _torch.Current(_device);
        // What the allocator keeps for a stream serves the next scope on it: streams left are taken again before new ones.
        _returnsTo = (forRecordings ? Reserved : Free).GetOrAdd(_device, _ => new());
        if (!_returnsTo.TryPop(out _stream))
            _stream = _torch.FromPool(_device);
        _torch.SetCurrent(_stream);
        _handle = _torch.Handle(_stream);
    }

    /// <summary>
    /// Makes the stream the calling thread's current one on its device too, until disposal on that thread; the thread's device
    /// stays. libtorch's copies between devices are ordered by the current streams of both. The threads must take turns.
    /// </summary>
    public IDisposable Join()
    {
        var joined = new Joined(_torch, _torch.Current(_device));
        _torch.SetCurrent(_stream);
        return joined;
    }

    /// <summary>Waits for the stream and gives the thread its former one back.</summary>
    /// <exception cref="InvalidOperationException">The stream's work failed.</exception>
    public void Dispose()
    {
        if (_left)
            return;
        _left = true;
        int code;
        using (_driver.Enter(_device))
            code = _driver.Synchronize(_handle);
        _torch.SetCurrent(_previous);
        _torch.SetDevice(_previousDevice);
        _returnsTo.Push(_stream);
        _driver.Check(code, "waiting for a stream");
    }

    private sealed class Joined(TorchCuda torch, TorchStream previous) : IDisposable
    {
        public void Dispose() => torch.SetCurrent(previous);
    }
}
