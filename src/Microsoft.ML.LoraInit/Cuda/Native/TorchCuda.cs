using System.Runtime.InteropServices;

namespace Microsoft.ML.LoraInit.Cuda.Native;

/// <summary>
/// libtorch's own C++ functions for streams and graphs, by their symbols (Itanium C++ ABI, Linux on x64). Signatures as in
/// pytorch/pytorch: c10/cuda/CUDAStream.h and aten/src/ATen/cuda/CUDAGraph.h, from 2.2 to 2.11.
/// </summary>
/// <remarks>
/// A C++ exception that crosses into .NET ends the process, so callers call only what cannot throw in the state they have checked.
/// </remarks>
internal sealed unsafe class TorchCuda
{
    /// <summary>More than any version's <c>sizeof(at::cuda::CUDAGraph)</c>, which is a few hundred bytes.</summary>
    public const int GraphBytes = 8192;

    public const int GraphAlignment = 64;

    private const int ThreadLocalCapture = 1;

    private static readonly Lazy<(TorchCuda? Torch, string? Why)> Loaded = new(Load);

    private readonly delegate* unmanaged<int, int, TorchStream> _fromPool;
    private readonly delegate* unmanaged<int, TorchStream> _current;
    private readonly delegate* unmanaged<TorchStream, void> _setCurrent;
    private readonly delegate* unmanaged<TorchStream*, nint> _handle;
    private readonly delegate* unmanaged<nint, void> _construct;
    private readonly delegate* unmanaged<nint, int, void> _constructKeeping;
    private readonly delegate* unmanaged<nint, void> _destruct, _captureEnd;
    private readonly delegate* unmanaged<nint, MemoryPool, int, void> _captureBegin;
    private readonly delegate* unmanaged<nint, MemoryPool> _pool;
    private readonly delegate* unmanaged<int*, int> _getDevice;
    private readonly delegate* unmanaged<int, int> _setDevice;
    private readonly delegate* unmanaged<int> _clearError;

    private TorchCuda(FunctionTable table)
    {
        // (priority, device): 0 is neither a high priority nor true, so the older overload takes the same arguments.
        _fromPool = (delegate* unmanaged<int, int, TorchStream>)table["_ZN3c104cuda17getStreamFromPoolEba", "_ZN3c104cuda17getStreamFromPoolEia"];
        _current = (delegate* unmanaged<int, TorchStream>)table["_ZN3c104cuda20getCurrentCUDAStreamEa"];
        _setCurrent = (delegate* unmanaged<TorchStream, void>)table["_ZN3c104cuda20setCurrentCUDAStreamENS0_10CUDAStreamE"];
        _handle = (delegate* unmanaged<TorchStream*, nint>)table["_ZNK3c104cuda10CUDAStream6streamEv"];
        // Later versions have CUDAGraph(bool keep_graph) instead of CUDAGraph().
        _construct = (delegate* unmanaged<nint, void>)table.Optional("_ZN2at4cuda9CUDAGraphC1Ev", "_ZN2at4cuda9CUDAGraphC2Ev");
        if (_construct is null)
            _constructKeeping = (delegate* unmanaged<nint, int, void>)table["_ZN2at4cuda9CUDAGraphC1Eb", "_ZN2at4cuda9CUDAGraphC2Eb"];
        _destruct = (delegate* unmanaged<nint, void>)table["_ZN2at4cuda9CUDAGraphD1Ev", "_ZN2at4cuda9CUDAGraphD2Ev"];
        _captureBegin = (delegate* unmanaged<nint, MemoryPool, int, void>)table["_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode"];
        _captureEnd = (delegate* unmanaged<nint, void>)table["_ZN2at4cuda9CUDAGraph11capture_endEv"];
        _pool = (delegate* unmanaged<nint, MemoryPool>)table["_ZN2at4cuda9CUDAGraph4poolEv"];
        _getDevice = (delegate* unmanaged<int*, int>)table["cudaGetDevice"];
        _setDevice = (delegate* unmanaged<int, int>)table["cudaSetDevice"];
        _clearError = (delegate* unmanaged<int>)table["cudaGetLastError"];
    }

    /// <summary>libtorch's functions, or null and why. Loads and initialises TorchSharp's libtorch.</summary>
    public static TorchCuda? TryGet(out string? why)
    {
        var (torch, reason) = Loaded.Value;
        why = reason;
        return torch;
    }

    /// <summary>One of the 32 streams that libtorch shares out in turn.</summary>
    public TorchStream FromPool(int device) => _fromPool(0, device);

    /// <summary>This thread's stream on a device; -1 for the thread's current device.</summary>
    public TorchStream Current(int device) => _current(device);

    public void SetCurrent(TorchStream stream) => _setCurrent(stream);

    /// <summary>The driver's handle; 0 for the default stream.</summary>
    public nint Handle(TorchStream stream) => _handle(&stream);

    public int Device()
    {
        int device;
        return _getDevice(&device) == 0 ? device : throw new InvalidOperationException("CUDA does not say which device is current.");
    }

    public void SetDevice(int device)
    {
        if (_setDevice(device) != 0)
        {
            ClearError();
            throw new InvalidOperationException($"CUDA device {device} cannot be made current.");
        }
    }

    /// <summary>Forgets the thread's last error, which libtorch would take for its own call's.</summary>
    public void ClearError() => _ = _clearError();

    /// <summary>Makes a CUDAGraph in zeroed memory.</summary>
    public void Construct(nint graph)
    {
        if (_construct is not null)
            _construct(graph);
        else
            _constructKeeping(graph, 0);
    }

    public void Destruct(nint graph) => _destruct(graph);

    public void CaptureBegin(nint graph, MemoryPool pool) => _captureBegin(graph, pool, ThreadLocalCapture);

    public void CaptureEnd(nint graph) => _captureEnd(graph);

    public MemoryPool Pool(nint graph) => _pool(graph);

    private static (TorchCuda?, string?) Load()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
            return (null, "libtorch's functions are called by their symbols on Linux on x64 only");
        try
        {
            if (!TorchSharp.torch.cuda.is_available())
                return (null, "TorchSharp finds no CUDA device");
        }
        catch (Exception e) when (e is NotSupportedException or DllNotFoundException or TypeInitializationException)
        {
            return (null, $"TorchSharp's native libraries cannot be loaded: {e.Message}");
        }
        if (LoadedLibraries.Find("libtorch_cuda.so") is not { } path || !NativeLibrary.TryLoad(path, out nint library))
            return (null, "libtorch_cuda.so is not loaded");
        // Names differ: libcudart.so.13 from a package of its own, libcudart-<hash>.so.12 beside libtorch.
        var libraries = new List<nint> { library };
        foreach (var prefix in new[] { "libc10_cuda.so", "libcudart" })
            if (LoadedLibraries.Find(prefix) is { } other && NativeLibrary.TryLoad(other, out nint loaded))
                libraries.Add(loaded);
        var table = new FunctionTable(path, [.. libraries]);
        var torch = new TorchCuda(table);
        AttentionChoice.AvoidPlans();
        return table.Missing is null ? (torch, null) : (null, table.Missing);
    }
}

/// <summary>
/// c10::cuda::CUDAStream: device type and index (a byte each, then padding) and the stream's number. 16 bytes that a
/// function takes and gives in two registers.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct TorchStream
{
    private readonly long _device;
    private readonly long _id;
}

/// <summary>c10::MempoolId_t, a std::pair of two numbers: which memory a captured graph's tensors come from.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct MemoryPool
{
    private readonly ulong _first;
    private readonly ulong _second;
}
