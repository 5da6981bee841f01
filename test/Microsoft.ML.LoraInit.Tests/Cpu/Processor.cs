using Microsoft.ML.LoraInit.Cpu;

namespace Microsoft.ML.LoraInit.Tests.Cpu;

/// <summary>What the machine that tests must have.</summary>
internal static class Processor
{
    /// <summary>Ends a test where 8-bit products are not served.</summary>
    public static void NeedsInt8(bool isInt8 = true)
    {
        if (isInt8 && !VectorKernels.ServeInt8)
            Assert.Inconclusive(VectorKernels.Lack);
    }
}
