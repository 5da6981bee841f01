using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Roberta.Fused;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.LoraInit.Training.Optimization;
using Microsoft.ML.LoraInit.Training.Steps;
using Microsoft.ML.LoraInit.Training.Tasks;
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
        var request = Request(weighted, accumulate, new MulticlassTask(3));
        var (expected, expectedLoss) = Train(request, parts => new HostStep(parts));
        var capture = new Recording();
        DeviceStep? device = null;
        var (actual, loss) = Train(request, parts => device = new DeviceStep(parts, Pass(parts, fused), capture));
        Assert.AreEqual(expectedLoss, loss, 1e-4 * Math.Abs(expectedLoss));
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 2e-4, $"value {i}");
        Assert.IsTrue(capture.Replays > 12, $"{capture.Replays} replays");
        Assert.IsTrue(device!.CapturedShapes is > 0 and < 5, $"{device.CapturedShapes} shapes");
    }

    [TestMethod]
    public void ItTrainsRegressionToo()
    {
        var request = Request(false, 1, new RegressionTask());
        var (expected, _) = Train(request, parts => new HostStep(parts));
        var (actual, _) = Train(request, parts => new DeviceStep(parts, Pass(parts, true), null));
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 2e-4, $"value {i}");
    }

    [TestMethod]
    public void WorkThatCannotBeRecordedRunsCallByCallAndSaysSo()
    {
        var said = new List<string>();
        var request = Request(false, 1, new MulticlassTask(3)) with { Log = said.Add };
        var (expected, _) = Train(request, parts => new DeviceStep(parts, Pass(parts, true), null));
        var (actual, _) = Train(request, parts => new DeviceStep(parts, Pass(parts, true), new Refusing()));
        CollectionAssert.AreEqual(expected, actual);
        Assert.IsTrue(said.Count > 0 && said.All(s => s.Contains("not today", StringComparison.Ordinal)));
    }

    private static FineTuningRequest Request(bool weighted, int accumulate, TextTask task) =>
        ToyRun.Request(o => (o.BatchSize, o.GradientAccumulationSteps, o.InitialLearningRate) = (4, accumulate, 1e-3), task: task)
            with { Train = ToyRun.Rows(21, task, 3, weighted) };

    private static GradientPass Pass(StepParts parts, bool fused)
    {
        var kernels = new TensorKernels();
        return fused
            ? new FusedPass(parts.Model, parts.Parameters, parts.Request.Task, FusedEncoder.TryCreate(parts.Model, parts.Parameters, kernels)!, kernels)
            : new TapePass(parts.Model, parts.Parameters, parts.Request.Task, kernels);
    }

    private static (float[] Values, double Loss) Train(FineTuningRequest request, Func<StepParts, TrainingStep> create)
    {
        using var scope = NewDisposeScope();
        using var model = new RobertaClassifier(request.Base, request.Task.OutputCount, HeadInitializer.Create(request.Base.Config, request.Task.OutputCount, 1, CPU));
        Attach.Random(model, 2, 4);
        using var parameters = new TrainableParameters(model.Parameters);
        // With the usual ε, a gradient that is rounding alone moves its parameter as far as any other.
        using var optimizer = new FlatAdamW(parameters, new AdamWSettings { WeightDecay = 0.1, Epsilon = 1e-5 });
        using var state = new TrainingState(CPU);
        using var step = create(new(request, model, parameters, optimizer, null, state));
        double loss = 0;
        foreach (var epoch in new[] { 1, 2 })
        {
            var plan = BatchPlannerFor(request, epoch);
            using var batches = step.Open(plan);
            foreach (var group in plan.Chunk(request.Options.GradientAccumulationSteps))
                step.Run(batches, group, 1e-3);
            loss = state.LossSum.item<double>();
        }
        return (parameters.Flat.detach().data<float>().ToArray(), loss);
    }

    private static IReadOnlyList<int[]> BatchPlannerFor(FineTuningRequest request, int epoch) =>
        LoraInit.Training.Batching.BatchPlanner.Shuffled([.. request.Train.Texts.Select(t => t.Length)], request.Options.BatchSize, 1, epoch);

    /// <summary>"Records" by keeping the action.</summary>
    private sealed class Recording : WorkCapture
    {
        public int Replays { get; private set; }

        public override CapturedWork? TryCapture(Action work, out string? why)
        {
            why = null;
            return new Work(this, work);
        }

        private sealed class Work(Recording owner, Action work) : CapturedWork
        {
            public override void Replay()
            {
                owner.Replays++;
                work();
            }

            public override void Dispose()
            {
            }
        }
    }

    private sealed class Refusing : WorkCapture
    {
        public override CapturedWork? TryCapture(Action work, out string? why)
        {
            why = "not today";
            return null;
        }
    }
}
