using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <summary>libtorch loads its CUDA linear algebra at the first decomposition, and fails where two threads are the first at a time.</summary>
internal static class CudaLinearAlgebra
{
    private static readonly Lock Gate = new();
    private static bool _loaded;

    /// <summary>Has it loaded, once a process; does nothing for other devices.</summary>
    public static void Load(Device device)
    {
        if (device.type != DeviceType.CUDA)
            return;
        lock (Gate)
        {
            if (_loaded)
                return;
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            _ = linalg.qr(ones([1, 1], device: device));
            _loaded = true;
        }
    }
}
