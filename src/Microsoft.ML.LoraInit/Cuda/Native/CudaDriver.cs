using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Microsoft.ML.LoraInit.Cuda.Native;

/// <summary>What graphs and kernels need of CUDA's driver, whose functions give codes and throw nothing: 0 is success.</summary>
internal sealed unsafe class CudaDriver
{
    private const int ThreadLocalCapture = 1;
    private const ulong FreeOnLaunch = 1;

    private static readonly Lazy<(CudaDriver? Driver, string? Why)> Loaded = new(Load);

    private readonly ConcurrentDictionary<int, nint> _contexts = new();
    private readonly delegate* unmanaged<nint*, int, int> _retain;
    private readonly delegate* unmanaged<nint*, int> _current;
    private readonly delegate* unmanaged<nint, int> _setCurrent, _push;
    private readonly delegate* unmanaged<nint*, int> _pop;
    private readonly delegate* unmanaged<int> _synchronize;
    private readonly delegate* unmanaged<int*, int, int, int> _attribute;
    private readonly delegate* unmanaged<int, byte**, int> _errorText;
    private readonly delegate* unmanaged<nint, int> _streamSynchronize;
    private readonly delegate* unmanaged<nint, int*, int> _isCapturing;
    private readonly delegate* unmanaged<nint, int, int> _beginCapture;
    private readonly delegate* unmanaged<nint, nint*, int> _endCapture;
    private readonly delegate* unmanaged<nint, uint, nuint, nint, int> _fill;
    private readonly delegate* unmanaged<nint*, nint, ulong, int> _instantiate;
    private readonly delegate* unmanaged<nint, nint, int> _launchGraph;
    private readonly delegate* unmanaged<nint, int> _destroyGraph, _destroyExecutable;
    private readonly delegate* unmanaged<nint*, uint, int> _createEvent;
    private readonly delegate* unmanaged<nint, nint, int> _record;
    private readonly delegate* unmanaged<nint, int> _waitFor, _destroyEvent;
    private readonly delegate* unmanaged<nint*, void*, int> _loadModule;
    private readonly delegate* unmanaged<nint*, nint, byte*, int> _function;
    private readonly delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int> _launch;

    private CudaDriver(FunctionTable table)
    {
        _retain = (delegate* unmanaged<nint*, int, int>)table["cuDevicePrimaryCtxRetain"];
        _current = (delegate* unmanaged<nint*, int>)table["cuCtxGetCurrent"];
        _setCurrent = (delegate* unmanaged<nint, int>)table["cuCtxSetCurrent"];
        _push = (delegate* unmanaged<nint, int>)table["cuCtxPushCurrent_v2"];
        _pop = (delegate* unmanaged<nint*, int>)table["cuCtxPopCurrent_v2"];
        _synchronize = (delegate* unmanaged<int>)table["cuCtxSynchronize"];
        _attribute = (delegate* unmanaged<int*, int, int, int>)table["cuDeviceGetAttribute"];
        _errorText = (delegate* unmanaged<int, byte**, int>)table["cuGetErrorString"];
        _streamSynchronize = (delegate* unmanaged<nint, int>)table["cuStreamSynchronize"];
        _isCapturing = (delegate* unmanaged<nint, int*, int>)table["cuStreamIsCapturing"];
        _beginCapture = (delegate* unmanaged<nint, int, int>)table["cuStreamBeginCapture_v2"];
        _endCapture = (delegate* unmanaged<nint, nint*, int>)table["cuStreamEndCapture"];
        _fill = (delegate* unmanaged<nint, uint, nuint, nint, int>)table["cuMemsetD32Async"];
        _instantiate = (delegate* unmanaged<nint*, nint, ulong, int>)table["cuGraphInstantiateWithFlags"];
        _launchGraph = (delegate* unmanaged<nint, nint, int>)table["cuGraphLaunch"];
        _destroyGraph = (delegate* unmanaged<nint, int>)table["cuGraphDestroy"];
        _destroyExecutable = (delegate* unmanaged<nint, int>)table["cuGraphExecDestroy"];
        _createEvent = (delegate* unmanaged<nint*, uint, int>)table["cuEventCreate"];
        _record = (delegate* unmanaged<nint, nint, int>)table["cuEventRecord"];
        _waitFor = (delegate* unmanaged<nint, int>)table["cuEventSynchronize"];
        _destroyEvent = (delegate* unmanaged<nint, int>)table["cuEventDestroy_v2"];
        _loadModule = (delegate* unmanaged<nint*, void*, int>)table["cuModuleLoadData"];
        _function = (delegate* unmanaged<nint*, nint, byte*, int>)table["cuModuleGetFunction"];
        _launch = (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)table["cuLaunchKernel"];
    }

    /// <summary>The driver, or null and why.</summary>
    public static CudaDriver? TryGet(out string? why)
    {
        var (driver, reason) = Loaded.Value;
        why = reason;
        return driver;
    }

    /// <summary>Compute capability as one number, 90 for 9.0.</summary>
    public int Architecture(int device)
    {
        const int Major = 75, Minor = 76;
        int major, minor;
        Check(_attribute(&major, Major, device), "asking for the device's architecture");
        Check(_attribute(&minor, Minor, device), "asking for the device's architecture");
        return major * 10 + minor;
    }

    /// <summary>Makes the device's primary context, which is libtorch's, current on this thread until disposal.</summary>
    /// <remarks>A thread without any context keeps this one.</remarks>
    public ContextScope Enter(int device)
    {
        nint wanted = _contexts.GetOrAdd(device, static (index, driver) =>
        {
            nint context;
            driver.Check(driver._retain(&context, index), $"taking CUDA device {index}'s context");
            return context;
        }, this);
        nint current;
        Check(_current(&current), "asking for the thread's context");
        if (current == wanted)
            return default;
        if (current == 0)
        {
            Check(_setCurrent(wanted), "setting the thread's context");
            return default;
        }
        Check(_push(wanted), "setting the thread's context");
        return new ContextScope(this);
    }

    public int Synchronize() => _synchronize();

    public int Synchronize(nint stream) => _streamSynchronize(stream);

    public CaptureStatus Status(nint stream)
    {
        int status;
        return _isCapturing(stream, &status) == 0 ? (CaptureStatus)status : CaptureStatus.Unknown;
    }

    public int BeginCapture(nint stream) => _beginCapture(stream, ThreadLocalCapture);

    public int EndCapture(nint stream, out nint graph)
    {
        nint ended = 0;
        int code = _endCapture(stream, &ended);
        graph = ended;
        return code;
    }

    public int Fill(nint memory, uint value, int count, nint stream) => _fill(memory, value, (nuint)count, stream);

    public int Instantiate(nint graph, out nint executable)
    {
        nint made = 0;
        int code = _instantiate(&made, graph, FreeOnLaunch);
        executable = made;
        return code;
    }

    public int LaunchGraph(nint executable, nint stream) => _launchGraph(executable, stream);

    public int DestroyGraph(nint graph) => _destroyGraph(graph);

    public int DestroyExecutable(nint executable) => _destroyExecutable(executable);

    public int CreateEvent(uint flags, out nint handle)
    {
        nint made = 0;
        int code = _createEvent(&made, flags);
        handle = made;
        return code;
    }

    public int Record(nint handle, nint stream) => _record(handle, stream);

    public int WaitFor(nint handle) => _waitFor(handle);

    public int DestroyEvent(nint handle) => _destroyEvent(handle);

    /// <summary>Loads machine code or PTX, which ends with a zero, into the current context.</summary>
    public nint LoadModule(ReadOnlySpan<byte> image)
    {
        nint module;
        fixed (byte* data = image)
            Check(_loadModule(&module, data), "loading compiled kernels");
        return module;
    }

    public nint Function(nint module, string name)
    {
        nint function;
        var bytes = System.Text.Encoding.UTF8.GetBytes(name + '\0');
        fixed (byte* text = bytes)
            Check(_function(&function, module, text), $"finding the kernel '{name}'");
        return function;
    }

    public void Launch(nint function, uint blocks, uint threads, nint stream, void** arguments) =>
        Check(_launch(function, blocks, 1, 1, threads, 1, 1, 0, stream, arguments, null), "launching a kernel");

    public string Describe(int code)
    {
        byte* text;
        return _errorText(code, &text) == 0 && text != null ? $"{Marshal.PtrToStringUTF8((nint)text)} (CUDA error {code})" : $"CUDA error {code}";
    }

    /// <exception cref="InvalidOperationException">The code is an error's.</exception>
    public void Check(int code, string doing)
    {
        if (code != 0)
            throw new InvalidOperationException($"CUDA failed in {doing}: {Describe(code)}.");
    }

    private void Leave()
    {
        nint context;
        _ = _pop(&context);
    }

    private static (CudaDriver?, string?) Load()
    {
        var name = OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";
        if (!NativeLibrary.TryLoad(name, out var library))
            return (null, $"the CUDA driver's library {name} cannot be loaded");
        var table = new FunctionTable(name, library);
        var driver = new CudaDriver(table);
        return table.Missing is null ? (driver, null) : (null, table.Missing);
    }

    /// <summary>Gives the thread its context back.</summary>
    public readonly struct ContextScope(CudaDriver? driver) : IDisposable
    {
        public void Dispose() => driver?.Leave();
    }
}

/// <summary>What a stream records; the numbers are the driver's.</summary>
internal enum CaptureStatus
{
    Unknown = -1,
    None = 0,
    Active = 1,
    Invalidated = 2,
}
