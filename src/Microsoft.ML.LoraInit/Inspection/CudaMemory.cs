using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inspection;

/// <summary>
/// A CUDA device's used memory, from the driver that libtorch has loaded: TorchSharp (0.107.0) has no figure of its own.
/// </summary>
internal static unsafe class CudaMemory
{
    private static readonly Driver? Loaded = Load();

    /// <summary>Bytes in use on the device, by whichever process; null on a CPU and where the driver cannot be asked.</summary>
    public static long? Used(Device device)
    {
        if (device.type != TorchSharp.DeviceType.CUDA || Loaded is not { } driver)
            return null;
        int index = Math.Max(device.index, 0);
        nint context, previous;
        if (driver.Retain(&context, index) != 0)
            return null;
        try
        {
            // The memory asked about is the current context's; the thread gets its own back afterwards.
            if (driver.Push(context) != 0)
                return null;
            nuint free, total;
            var failed = driver.Info(&free, &total) != 0;
            _ = driver.Pop(&previous);
            return failed ? null : (long)(total - free);
        }
        finally
        {
            _ = driver.Release(index);
        }
    }

    private static Driver? Load()
    {
        var name = OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";
        return NativeLibrary.TryLoad(name, out var library)
            && NativeLibrary.TryGetExport(library, "cuDevicePrimaryCtxRetain", out var retain)
            && NativeLibrary.TryGetExport(library, "cuDevicePrimaryCtxRelease_v2", out var release)
            && NativeLibrary.TryGetExport(library, "cuCtxPushCurrent_v2", out var push)
            && NativeLibrary.TryGetExport(library, "cuCtxPopCurrent_v2", out var pop)
            && NativeLibrary.TryGetExport(library, "cuMemGetInfo_v2", out var info)
            ? new Driver(retain, release, push, pop, info)
            : null;
    }

    /// <summary>The driver's functions; each returns 0 for success.</summary>
    private readonly struct Driver(nint retain, nint release, nint push, nint pop, nint info)
    {
        public int Retain(nint* context, int device) => ((delegate* unmanaged<nint*, int, int>)retain)(context, device);

        public int Release(int device) => ((delegate* unmanaged<int, int>)release)(device);

        public int Push(nint context) => ((delegate* unmanaged<nint, int>)push)(context);

        public int Pop(nint* context) => ((delegate* unmanaged<nint*, int>)pop)(context);

        public int Info(nuint* free, nuint* total) => ((delegate* unmanaged<nuint*, nuint*, int>)info)(free, total);
    }
}
