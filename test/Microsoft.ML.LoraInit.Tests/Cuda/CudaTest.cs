using Microsoft.ML.LoraInit.Cuda;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Cuda;

/// <summary>What the tests of this folder share.</summary>
internal static class CudaTest
{
    public static void RequireDevice()
    {
        if (!cuda.is_available())
            Assert.Inconclusive("No CUDA device.");
    }

    /// <summary>Kernels, which must be there where a device is.</summary>
    public static CudaKernels Kernels(ScalarType type)
    {
        RequireDevice();
        var kernels = CudaKernels.TryCreate(CUDA, type, out var why);
        Assert.IsNotNull(kernels, why);
        return kernels;
    }

    /// <summary>Normal values of a seed, on the device.</summary>
    public static Tensor Random(long seed, ScalarType type, params long[] shape)
    {
        using var random = new Generator((ulong)seed);
        return empty(shape, ScalarType.Float32).normal_(0, 1, random).to(type).cuda();
    }

    /// <summary>|a - b| ≤ absolute + relative |b| everywhere, which no NaN is.</summary>
    public static void Close(Tensor expected, Tensor actual, double relative, double absolute, string what)
    {
        CollectionAssert.AreEqual(expected.shape, actual.shape, what);
        Assert.AreEqual(expected.dtype, actual.dtype, what);
        var (a, b) = (actual.detach().to(ScalarType.Float32).cpu(), expected.detach().to(ScalarType.Float32).cpu());
        var excess = (a - b).abs() - b.abs() * relative;
        float worst = excess.max().item<float>();
        Assert.IsTrue(worst <= absolute, $"{what}: off by {worst} more than {relative} of the value, where {absolute} is allowed");
    }
}
