using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.ML.LoraInit.Tests.Hosts;

namespace Microsoft.ML.LoraInit.Tests.Hosting;

/// <summary>A file that is replaced again and again.</summary>
[TestClass]
[DoNotParallelize]
public sealed class ManyReloadsTests
{
    [TestMethod]
    [TestCategory("Long")]
    [DataRow(false)]
    [DataRow(true)]
    public async Task AThousandReloadsLeaveMemoryAndHandlesAsTheyWere(bool onnx)
    {
        const int Warm = 100, All = 1000;
        await using var host = new HostedTopics(SavedModel.First, o => o.Prepare = onnx ? model => model.ToOnnxRuntime(new() { CpuThreads = 1 }) : null, LogLevel.Warning); // The log is kept by the test, and would grow.
        using var metrics = new MetricList();
        (long Megabytes, int Handles, long Tensors) before = default;
        var watch = Stopwatch.StartNew();
        for (int i = 1; i <= All; i++)
        {
            var next = i % 2 == 0 ? SavedModel.First : SavedModel.Second;
            next.MoveTo(host.ModelPath);
            await host.WaitUntil(m => m.Current?.Sha256 == next.Sha256, $"reload {i}");
            Assert.IsTrue(await host.Says(next), $"reload {i}");
            if (i == Warm)
                before = Now();
        }
        var after = Now();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{All} reloads in {watch.Elapsed.TotalSeconds:0} s; after {Warm}: {before.Megabytes} MB, {before.Handles} handles, {before.Tensors} tensors; at the end: {after.Megabytes} MB, {after.Handles} handles, {after.Tensors} tensors"));

        Assert.IsTrue(after.Tensors <= before.Tensors, $"{before.Tensors} tensors became {after.Tensors}");
        Assert.IsTrue(after.Handles <= before.Handles + 8, $"{before.Handles} handles became {after.Handles}");
        Assert.IsTrue(after.Megabytes <= before.Megabytes + 48, $"{before.Megabytes} MB became {after.Megabytes} MB");
        Assert.IsTrue(SpinWait.SpinUntil(() => metrics.Sum("loratext.models") is 0 or 1, TimeSpan.FromMinutes(2)), "as many disposed of as loaded, but the one that serves");
    }

    private static (long Megabytes, int Handles, long Tensors) Now()
    {
        using var process = Process.GetCurrentProcess();
        int handles = OperatingSystem.IsLinux() ? Directory.GetFileSystemEntries("/proc/self/fd").Length : process.HandleCount;
        return (NativeHeap.Held() >> 20, handles, LiveTensors.Count());
    }
}
