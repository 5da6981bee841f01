using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>
/// Whether this library's own vector code serves on this processor: the one place that training and scoring ask. It is written in vectors
/// of 256 bits, which x64 has with AVX2. Elsewhere (ARM64 has 128 bits) .NET takes each apart, and tensors are several times as fast.
/// </summary>
internal static class VectorKernels
{
    /// <summary>Whether it is left aside on any processor, by what is made from then on: benchmarks compare with tensors in one process.</summary>
    public static bool IsOff { get; set; }

    /// <summary>Whether it serves for fp32.</summary>
    public static bool Serve => Vector256.IsHardwareAccelerated && !IsOff;

    /// <summary>Whether it serves for products of 8-bit integers.</summary>
    public static bool ServeInt8 => Serve && Avx2.IsSupported;

    /// <summary>What is missing where it does not serve, as the beginning of a sentence.</summary>
    public static string Lack => $"this processor ({RuntimeInformation.ProcessArchitecture}) has no AVX2, or .NET was told not to use it (DOTNET_EnableAVX2, DOTNET_EnableHWIntrinsic)";
}
