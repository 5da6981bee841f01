using System.Runtime.InteropServices;
using Microsoft.ML.LoraInit.Cuda.Native;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Cuda;

/// <summary>libtorch's setting, which it has without CUDA too.</summary>
[TestClass]
[DoNotParallelize] // of the process
public class AttentionChoiceTests
{
    [TestMethod]
    public void CuDnnsAttentionIsTakenOutOfTheChoice()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != System.Runtime.InteropServices.Architecture.X64)
            Assert.Inconclusive("libtorch's functions are called by their symbols on Linux on x64 only.");
        using var loaded = zeros(1);
        var before = AttentionChoice.AllowsCuDnn;
        Assert.IsNotNull(before);
        try
        {
            AttentionChoice.AllowsCuDnn = true;
            Assert.IsTrue(AttentionChoice.AllowsCuDnn);
            AttentionChoice.AvoidPlans();
            Assert.IsFalse(AttentionChoice.AllowsCuDnn);
        }
        finally
        {
            AttentionChoice.AllowsCuDnn = before;
        }
    }

    [TestMethod]
    public void TheVariableLeavesLibtorchsChoice()
    {
        using var loaded = zeros(1);
        var before = AttentionChoice.AllowsCuDnn;
        Environment.SetEnvironmentVariable(AttentionChoice.Switch, "1");
        try
        {
            AttentionChoice.AllowsCuDnn = true;
            AttentionChoice.AvoidPlans();
            Assert.AreNotEqual(false, AttentionChoice.AllowsCuDnn);
        }
        finally
        {
            Environment.SetEnvironmentVariable(AttentionChoice.Switch, null);
            AttentionChoice.AllowsCuDnn = before;
        }
    }
}
