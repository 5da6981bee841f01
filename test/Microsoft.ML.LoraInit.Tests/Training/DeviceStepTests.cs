using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Tests.Cuda;
using Microsoft.ML.LoraInit.Training.Steps;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Training;

/// <summary>The step of fixed shapes, run on the CPU, against the plain one.</summary>
[TestClass]
public sealed class DeviceStepTests
{
    public static IEnumerable<object[]> Kinds => from fused in new[] { true, false } from weighted in new[] { true, false } from accumulate in new[] { 1, 3 } select new object[] { fused, weighted, accumulate };

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void ItTrainsAsThePlainStepDoes(bool fused, bool weighted, int accumulate)
    {
        // 21 rows in batches of 4: the last batch is filled up with rows of weight 0.
        var request = StepRun.Request(weighted, accumulate, new MulticlassTask(3));
        var expected = StepRun.Train(request, parts => new CpuStep(parts));
        var capture = new Recorder();
        DeviceStep? device = null;
        var actual = StepRun.Train(request, parts => device = new DeviceStep(parts, new(Pass(parts, fused), capture)));
        StepRun.AssertClose(expected, actual, 2e-4);
        Assert.IsTrue(capture.Replays > 12, $"{capture.Replays} replays");
        Assert.IsTrue(device!.CapturedShapes is > 0 and < 5, $"{device.CapturedShapes} shapes");
    }

    [TestMethod]
    public void ItTrainsRegressionToo()
    {
        var request = StepRun.Request(false, 1, new RegressionTask());
        var expected = StepRun.Train(request, parts => new CpuStep(parts));
        var actual = StepRun.Train(request, parts => new DeviceStep(parts, new(Pass(parts, true), null)));
        StepRun.AssertClose(expected, actual, 2e-4);
    }

    [TestMethod]
    public void WorkThatCannotBeRecordedRunsCallByCallAndSaysSo()
    {
        var said = new List<string>();
        var request = StepRun.Request(false, 1, new MulticlassTask(3)) with { Log = said.Add };
        var (expected, _) = StepRun.Train(request, parts => new DeviceStep(parts, new(Pass(parts, true), null)));
        var (actual, _) = StepRun.Train(request, parts => new DeviceStep(parts, new(Pass(parts, true), new Recorder { Why = "not today" })));
        CollectionAssert.AreEqual(expected, actual);
        Assert.IsTrue(said.Count > 0 && said.All(s => s.Contains("not today", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void PassesThatDifferFromStepToStepAreNeitherRecordedNorReplayed()
    {
        var request = StepRun.Request(false, 1, new MulticlassTask(3));
        var capture = new Recorder();
        using var hooks = new Differing();
        StepRun.Train(request, parts =>
        {
            parts = parts with { Hooks = hooks };
            return new DeviceStep(parts, new(Pass(parts, true), capture));
        });
        Assert.AreEqual(0, capture.Replays);
    }

    [TestMethod]
    public void TheLongestBatchIsRecordedFirst()
    {
        // What follows a recording takes the memory that it has left free.
        var lengths = new List<long>();
        var request = StepRun.Request(false, 1, new MulticlassTask(3));
        var texts = request.Train.Texts.Append(new([0, .. Enumerable.Repeat(500, 22), 2])).ToArray();
        request = request with { Train = new(texts, [.. request.Train.Labels, 1f], null) };
        StepRun.Train(request, parts => new DeviceStep(parts, new(new Noting(lengths), new Recorder())));
        Assert.AreEqual(24, lengths[0]);
        Assert.AreNotEqual(24, lengths[1], "The plan's first batch would be the longest by itself.");
    }

    private sealed class Noting(List<long> lengths) : GradientPass
    {
        public override void Run(StepInputs inputs, Tensor lossSum) => lengths.Add(inputs.Batch.InputIds.shape[1]);
    }

    private sealed class Differing : MethodHooks
    {
        public override bool PassesMayBeRecorded => false;
    }

    private static GradientPass Pass(StepParts parts, bool fused)
    {
        var kernels = new TensorKernels();
        return fused
            ? new FusedPass(parts.Model, parts.Parameters, parts.Request.Task, FusedEncoder.TryCreate(parts.Model, parts.Parameters, kernels)!, kernels)
            : new TapePass(parts.Model, parts.Parameters, parts.Request.Task, kernels);
    }
}
