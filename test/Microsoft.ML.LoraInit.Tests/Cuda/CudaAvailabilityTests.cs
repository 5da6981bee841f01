using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Cuda;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Cuda;

[TestClass]
public class CudaAvailabilityTests
{
    // torch.CUDA throws where there is none.
    private static readonly Device Gpu = new(TorchSharp.DeviceType.CUDA, 0);

    [TestMethod]
    public void WithoutADeviceEverythingSaysWhyItIsNotThere()
    {
        if (cuda.is_available())
            Assert.Inconclusive("There is a CUDA device.");
        Assert.IsFalse(CudaStreams.IsAvailable(out var why));
        Assert.IsFalse(string.IsNullOrEmpty(why));
        Assert.IsFalse(CudaGraph.IsAvailable(out why));
        Assert.IsFalse(string.IsNullOrEmpty(why));
        bool ran = false;
        Assert.IsNull(CudaGraph.TryCapture(() => ran = true, null, out why));
        Assert.IsFalse(string.IsNullOrEmpty(why));
        Assert.IsFalse(ran);
        Assert.IsNull(CudaKernels.TryCreate(Gpu, ScalarType.BFloat16, out why));
        Assert.IsFalse(string.IsNullOrEmpty(why));
        Assert.IsNull(CudaAdamW.TryCreate(Gpu, out why));
        Assert.IsFalse(string.IsNullOrEmpty(why));
        Assert.ThrowsExactly<PlatformNotSupportedException>(() => new CudaStreamScope(Gpu));
    }

    [TestMethod]
    public void ACpuAndOtherTypesAreRefused()
    {
        Assert.ThrowsExactly<ArgumentException>(() => new CudaStreamScope(CPU));
        Assert.IsNull(CudaKernels.TryCreate(CPU, ScalarType.Float32, out var why));
        StringAssert.Contains(why, "cpu");
        Assert.IsNull(CudaKernels.TryCreate(Gpu, ScalarType.Float64, out why));
        StringAssert.Contains(why, "Float64");
    }

    [TestMethod]
    [DoNotParallelize]
    public void GraphsAndKernelsCanBeTurnedOff()
    {
        TurnOff(CudaGraph.Switch, () => Assert.IsFalse(CudaGraph.IsAvailable(out var why), why));
        TurnOff(KernelLauncher.Switch, () =>
        {
            Assert.IsNull(CudaKernels.TryCreate(Gpu, ScalarType.Float32, out var why));
            StringAssert.Contains(why, KernelLauncher.Switch);
        });

        static void TurnOff(string name, Action check)
        {
            var former = Environment.GetEnvironmentVariable(name);
            Environment.SetEnvironmentVariable(name, "0");
            try
            {
                check();
            }
            finally
            {
                Environment.SetEnvironmentVariable(name, former);
            }
        }
    }

    [TestMethod]
    [DataRow("Element Dropout Mask", "mask_wide mask_single")]
    [DataRow("Element Gelu", "gelu_wide gelu_single gelu_backward_wide gelu_backward_single")]
    [DataRow("Element Heads", "split_heads_wide split_heads_single join_heads_wide join_heads_single")]
    [DataRow("Element Dropout AddNorm", "add_norm add_norm_backward")]
    [DataRow("Element Dropout AddNormBlock", "add_norm add_norm_backward")]
    [DataRow("Element Dropout Keys Softmax", "softmax softmax_backward")]
    [DataRow("Element Dropout Keys SoftmaxBlock", "softmax softmax_backward")]
    [DataRow("Element Dropout Keys AttentionTiles Attention AttentionBackward", "attend attend_backward_queries attend_backward_keys")]
    [DataRow("AdamW", "adamw")]
    public void SourcesAreEmbeddedAndNeedNoHeader(string sources, string kernels)
    {
        var source = new KernelProgram(sources, "").Source();
        foreach (var kernel in kernels.Split(' '))
            Assert.IsTrue(Regex.IsMatch(source, $@"\b{kernel}\(|\({kernel},"), $"{kernel} in {sources}");
        Assert.IsFalse(source.Contains("#include", StringComparison.Ordinal));
    }
}
