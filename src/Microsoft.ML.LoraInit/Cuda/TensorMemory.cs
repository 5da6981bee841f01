using System.Runtime.InteropServices;
using Microsoft.ML.LoraInit.Cuda.Native;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <summary>Where a tensor's first element lies, by the native library that TorchSharp has loaded.</summary>
internal static unsafe class TensorMemory
{
    private static readonly delegate* unmanaged<nint, nint> DataPointer = Load();

    /// <summary>The address on the tensor's device. Null pointers of empty tensors included.</summary>
    public static nint Address(Tensor tensor)
    {
        nint address = DataPointer(tensor.Handle);
        GC.KeepAlive(tensor);
        return address;
    }

    private static delegate* unmanaged<nint, nint> Load()
    {
        // Beside libtorch, wherever the application has put it; loaded, since there is a tensor.
        var name = LoadedLibraries.Find("libLibTorchSharp") ?? "LibTorchSharp";
        nint library = NativeLibrary.Load(name, typeof(Tensor).Assembly, null);
        return (delegate* unmanaged<nint, nint>)NativeLibrary.GetExport(library, "THSTensor_data");
    }
}
