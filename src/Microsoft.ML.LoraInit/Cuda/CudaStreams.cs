using Microsoft.ML.LoraInit.Cuda.Native;

namespace Microsoft.ML.LoraInit.Cuda;

/// <summary>Whether streams of libtorch's can be chosen here, which TorchSharp (0.107.0) has no call for.</summary>
internal static class CudaStreams
{
    /// <summary>Whether <see cref="CudaStreamScope"/> works, and if not, why.</summary>
    public static bool IsAvailable(out string? why) => TorchCuda.TryGet(out why) is not null && CudaDriver.TryGet(out why) is not null;

    /// <summary>This thread's stream on a CUDA device as the driver's handle; 0 for the default stream.</summary>
    /// <exception cref="PlatformNotSupportedException">See <see cref="IsAvailable"/>.</exception>
    public static nint CurrentHandle(int device)
    {
        var torch = TorchCuda.TryGet(out var why) ?? throw Unavailable(why);
        return torch.Handle(torch.Current(device));
    }

    public static PlatformNotSupportedException Unavailable(string? why) => new($"CUDA streams cannot be chosen here: {why}.");
}
