using System.Runtime.Intrinsics;

namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>
/// Whether this library's own vector code serves on this processor: the one place that scoring asks. It is written in vectors
/// of 256 bits, which x64 has with AVX2. Elsewhere (ARM64 has 128 bits) .NET takes each apart, and tensors are several times as fast.
/// </summary>
internal static class VectorKernels
{
    /// <summary>Whether it is left aside on any processor, by what is made from then on: benchmarks compare with tensors in one process.</summary>
    public static bool IsOff { get; set; }

    /// <summary>Whether it serves for fp32.</summary>
    public static bool Serve => Vector256.IsHardwareAccelerated && !IsOff;
}
