using System.Runtime.InteropServices;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Cuda.Native;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <summary>
/// Kernels recorded once and launched by one call thereafter. libtorch's <c>at::cuda::CUDAGraph</c> sees to the memory; the
/// graph itself is ended, instantiated and launched by the driver, whose errors are codes, since a C++ exception would end the process.
/// </summary>
/// <remarks>
/// <para>Capture within a <see cref="CudaStreamScope"/>, after the same work has run there a few times: libraries allocate and kernels
/// are compiled at first use. What is captured is kernels with their addresses. Inputs must be tensors made before, which live
/// as long as the graph and are overwritten in place between replays. Tensors made within belong to the graph's memory: their
/// values change at each replay, and disposing of them leaves their place to later tensors of the same capture and pool.
/// The host's part runs once only: no numbers read from the device, no decisions on them, no copies from pageable memory.</para>
/// <para>libtorch's default generator draws the same numbers at every replay: take seeds from a tensor on the device.</para>
/// <para>Graphs that share memory may be replayed in any order, but one at a time, and what one leaves is overwritten by another
/// unless its tensors were alive when the other was captured.</para>
/// <para>The environment variable <c>LORAINIT_CUDA_GRAPHS=0</c> turns graphs off.</para>
/// </remarks>
internal sealed class CudaGraph : CapturedWork
{
    /// <summary>Turns graphs off where it is 0.</summary>
    public const string Switch = "LORAINIT_CUDA_GRAPHS";

    private readonly TorchCuda _torch;
    private readonly CudaDriver _driver;
    private readonly int _device;
    private readonly nint _executable;
    private readonly MemoryPool _pool;
    private nint _memory;

    private CudaGraph(TorchCuda torch, CudaDriver driver, int device, nint executable, nint memory)
    {
        (_torch, _driver, _device, _executable, _memory) = (torch, driver, device, executable, memory);
        _pool = torch.Pool(memory);
    }

    // By stream: a stream of libtorch's pool is one thread's at a time (CudaStreamScope) and lives as long as the process.
    private static readonly Dictionary<nint, CudaGraph> Pools = [];

    /// <summary>Held while a thread captures, and by what would spoil a capture.</summary>
    internal static Lock Gate { get; } = new();

    /// <summary>Whether graphs can be captured here, and if not, why.</summary>
    public static bool IsAvailable(out string? why)
    {
        if (Environment.GetEnvironmentVariable(Switch) == "0")
        {
            why = $"the environment variable {Switch} is 0";
            return false;
        }
        return CudaStreams.IsAvailable(out why);
    }

    /// <summary>Records what <paramref name="work"/> launches on this thread's current stream, without running it.</summary>
    /// <param name="work">Run once, on this thread.</param>
    /// <param name="sharePoolWith">A graph whose memory this one uses too; null for memory of its own.</param>
    /// <param name="why">Why there is no graph.</param>
    /// <returns>The graph, or null where the work cannot be captured; the device then goes on as before.</returns>
    /// <exception cref="ObjectDisposedException"><paramref name="sharePoolWith"/> is disposed of.</exception>
    public static CudaGraph? TryCapture(Action work, CudaGraph? sharePoolWith, out string? why)
    {
        if (!IsAvailable(out why))
            return null;
        var (torch, driver) = (TorchCuda.TryGet(out _)!, CudaDriver.TryGet(out _)!);
        lock (Gate)
        {
            // A pool without a graph is gone, and libtorch takes its name for an error.
            ObjectDisposedException.ThrowIf(sharePoolWith is { _memory: 0 }, typeof(CudaGraph));
            int device = torch.Device();
            if (sharePoolWith is not null && sharePoolWith._device != device)
            {
                why = $"memory of CUDA device {sharePoolWith._device} cannot be shared on device {device}";
                return null;
            }
            using var context = driver.Enter(device);
            return Capture(torch, driver, device, work, sharePoolWith, out why);
        }
    }

    /// <summary>
    /// A graph that does nothing and lives as long as the process, to share the pool of this thread's current stream with: memory
    /// that graphs on the stream leave free serves the next ones there, where pools of their own would pile up.
    /// </summary>
    /// <param name="why">Why there is none.</param>
    public static CudaGraph? StreamsPool(out string? why)
    {
        if (!IsAvailable(out why))
            return null;
        var torch = TorchCuda.TryGet(out _)!;
        int device = torch.Device();
        var stream = torch.Handle(torch.Current(device));
        lock (Gate)
        {
            if (Pools.TryGetValue(stream, out var pool))
                return pool;
            using var scope = NewDisposeScope();
            var target = zeros(1, ScalarType.Int32, new Device(TorchSharp.DeviceType.CUDA, device));
            pool = TryCapture(() => target.Add_(1), null, out why);
            if (pool is not null)
            {
                target.DetachFromDisposeScope(); // the graph writes there, if ever replayed
                Pools.Add(stream, pool);
            }
            return pool;
        }
    }

    /// <summary>Launches the graph on this thread's current stream.</summary>
    /// <exception cref="InvalidOperationException">The device has failed.</exception>
    public override void Replay()
    {
        ObjectDisposedException.ThrowIf(_memory == 0, this);
        using var context = _driver.Enter(_device);
        _driver.Check(_driver.LaunchGraph(_executable, _torch.Handle(_torch.Current(_device))), "launching a graph");
    }

    /// <summary>Waits for the device and frees the graph and, with the last one of its pool, its memory.</summary>
    public override void Dispose()
    {
        lock (Gate)
        {
            if (_memory == 0)
                return;
            using var context = _driver.Enter(_device);
            // A device that has failed says so here; the graph is gone all the same.
            _ = _driver.Synchronize();
            _ = _driver.DestroyExecutable(_executable);
            Free(_torch, _memory);
            _memory = 0;
        }
    }

    private static CudaGraph? Capture(TorchCuda torch, CudaDriver driver, int device, Action work, CudaGraph? sharePoolWith, out string? why)
    {
        var stream = torch.Current(device);
        nint handle = torch.Handle(stream);
        if (handle == 0)
        {
            why = $"the default stream cannot be captured: capture within a {nameof(CudaStreamScope)}";
            return null;
        }
        if (driver.Status(handle) != CaptureStatus.None)
        {
            why = "the stream is being captured already";
            return null;
        }
        if (driver.Synchronize() is not 0 and int failed)
        {
            why = $"the device has failed: {driver.Describe(failed)}";
            return null;
        }
        using var scratch = empty(1, ScalarType.Int32, new Device(TorchSharp.DeviceType.CUDA, device));
        nint memory = Allocate();
        torch.Construct(memory);
        torch.CaptureBegin(memory, sharePoolWith?._pool ?? default);

        string? failure = null;
        try
        {
            work();
        }
        catch (Exception e)
        {
            failure = $"the work threw {e.GetType().Name}: {e.Message}";
        }
        // libtorch ends a capture on the stream that began it, whatever the work left behind.
        torch.SetDevice(device);
        torch.SetCurrent(stream);

        // Where the capture has become invalid, this ends it with an error and no graph.
        int code = driver.EndCapture(handle, out nint graph);
        if (code != 0 || graph == 0)
            failure = $"{(failure is null ? "" : failure + "; ")}the capture is invalid: {driver.Describe(code)}";
        bool ended = EndForMemory(torch, driver, memory, TensorMemory.Address(scratch), handle);

        nint executable = 0;
        if (failure is null && !ended)
            failure = "the capture could not be ended for libtorch";
        if (failure is null && driver.Instantiate(graph, out executable) is not 0 and int refused)
            failure = $"the graph cannot be instantiated: {driver.Describe(refused)}";
        if (graph != 0)
            _ = driver.DestroyGraph(graph);
        torch.ClearError();
        if (failure is null)
        {
            why = null;
            return new CudaGraph(torch, driver, device, executable, memory);
        }
        // What libtorch still believes to be capturing is left in memory for good: taking it down would throw.
        if (ended)
            Free(torch, memory);
        why = failure;
        return null;
    }

    /// <summary>
    /// Has libtorch end the capture that it began, so that its allocator and generator leave capture mode. It ends whatever its
    /// stream is capturing, so it is given a capture of one memset, which cannot be invalid.
    /// </summary>
    private static bool EndForMemory(TorchCuda torch, CudaDriver driver, nint memory, nint scratch, nint stream)
    {
        if (driver.Status(stream) != CaptureStatus.None || driver.BeginCapture(stream) != 0)
            return false;
        if (driver.Fill(scratch, 0, 1, stream) != 0 || driver.Status(stream) != CaptureStatus.Active)
        {
            if (driver.EndCapture(stream, out nint graph) == 0)
                _ = driver.DestroyGraph(graph);
            return false;
        }
        torch.CaptureEnd(memory);
        return true;
    }

    private static unsafe nint Allocate()
    {
        void* memory = NativeMemory.AlignedAlloc(TorchCuda.GraphBytes, TorchCuda.GraphAlignment);
        NativeMemory.Clear(memory, TorchCuda.GraphBytes);
        return (nint)memory;
    }

    private static unsafe void Free(TorchCuda torch, nint memory)
    {
        torch.Destruct(memory);
        NativeMemory.AlignedFree((void*)memory);
    }
}
