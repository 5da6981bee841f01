using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Tests.Adapters.Fusion;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.LoraInit.Training.Steps;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Training;

/// <summary>The step over several devices, which are all the CPU here, against the one-device steps.</summary>
[TestClass]
public sealed class ParallelStepTests
{
    private const double Rate = 3e-4;

    public static IEnumerable<object[]> Kinds => from devices in new[] { 2, 3 } from dora in new[] { false, true } from accumulate in new[] { 1, 3 } select new object[] { devices, dora, accumulate };

    [TestMethod]
    [Timeout(300_000)]
    [DynamicData(nameof(Kinds))]
    public void SeveralDevicesTrainAsOneDoes(int devices, bool dora, int accumulate)
    {
        // 21 rows in batches of 4: the last batch has one row, fewer than there are devices. Weighted in half of the cases.
        var request = StepRun.Request(weighted: accumulate == 3, accumulate, new MulticlassTask(3));
        var adapters = new AdapterSettings { Rank = 2, Alpha = 4, UseDora = dora };
        var host = StepRun.Train(request, parts => new CpuStep(parts), adapters);
        var one = StepRun.Train(request, parts => new DeviceStep(parts, DeviceWork.For(parts.Gradients)), adapters);
        var several = StepRun.Train(On(request, devices), parts => ParallelStep.Create(parts, DeviceWork.For), adapters);
        StepRun.AssertClose(one, several, 1e-4);
        StepRun.AssertClose(host, several, 2e-4);
    }

    [TestMethod]
    [Timeout(300_000)]
    public void TheSameDevicesGiveTheSameBits()
    {
        var request = On(StepRun.Request(true, 1, new MulticlassTask(3)), 3);
        var (first, _) = StepRun.Train(request, parts => ParallelStep.Create(parts, DeviceWork.For));
        var (second, _) = StepRun.Train(request, parts => ParallelStep.Create(parts, DeviceWork.For));
        CollectionAssert.AreEqual(first, second);
    }

    /// <summary>What each method and kind of initialisation puts on a model is on the replicas too.</summary>
    [TestMethod]
    [Timeout(600_000)]
    [DataRow("head", "kaiming")]
    [DataRow("bitfit", "kaiming")]
    [DataRow("full", "kaiming")]
    [DataRow("houlsby", "kaiming")]
    [DataRow("pfeiffer", "kaiming")]
    [DataRow("lin", "kaiming")]
    [DataRow("lora", "pissa")]
    [DataRow("lora", "loftq")]
    [DataRow("lora", "nlora")]
    [DataRow("lora", "mica")]
    [DataRow("adalora", "pissa")]
    [DataRow("lokr", "kaiming")]
    [DataRow("lora-pro", "kaiming")]
    [DataRow("kasa", "kaiming")]
    [DataRow("galore:gap=2", "kaiming")]
    [DataRow("fusion", "kaiming")]
    public void WholeRunsAreThoseOfOneDevice(string method, string initialization)
    {
        FineTuningRequest Request() => ToyRun.Request(
            o => (o.Method, o.Initialization, o.MaxEpochs, o.InitialLearningRate) = (method == "fusion" ? Fusions.Mini : FineTuningMethod.Parse(method), LoraInitialization.Parse(initialization), 1, Rate),
            rows: 20, validationRows: 6);
        using var one = FineTuningRun.Execute(Request());
        using var several = FineTuningRun.Execute(On(Request(), 2));
        AssertSameRun(one, several);
    }

    [TestMethod]
    [Timeout(300_000)]
    public void ARunOnSeveralDevicesGoesOnFromItsCheckpointExactlyAndOnAsManyOnly()
    {
        using var folder = new TemporaryFolder();
        FineTuningRequest Request(string? checkpoints) => On(ToyRun.Request(o => (o.CheckpointDirectory, o.CheckpointEverySteps, o.MaxEpochs) = (checkpoints, checkpoints is null ? null : 2, 2)), 2);
        using var whole = FineTuningRun.Execute(Request(null));
        Assert.ThrowsExactly<TimeoutException>(() => FineTuningRun.Execute(Request(folder.Path) with { OnStep = step => { if (step == 3) throw new TimeoutException(); } }));
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => FineTuningRun.Execute(Request(folder.Path) with { OtherDevices = [] }));
        StringAssert.Contains(error.Message, "devices was 2 and is absent");
        using var resumed = FineTuningRun.Execute(Request(folder.Path));
        ToyRun.AssertSameBits(ToyRun.Weights(whole), ToyRun.Weights(resumed));
    }

    [TestMethod]
    [Timeout(300_000)]
    public void ACancelledRunEndsItsThreads()
    {
        using var source = new CancellationTokenSource();
        var request = On(ToyRun.Request(o => o.CancellationToken = source.Token), 3) with
        {
            OnStep = step =>
            {
                if (step == 2)
                    source.Cancel();
            },
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => FineTuningRun.Execute(request));
    }

    /// <param name="failing">Which device fails, from 0, at which of its batches.</param>
    /// <param name="batch">From 0.</param>
    [TestMethod]
    [Timeout(300_000)]
    [DataRow(0, 2)]
    [DataRow(1, 0)]
    [DataRow(2, 3)]
    public void WhatADeviceThrowsComesOutOfTheStepAndEverythingIsFreed(int failing, int batch)
    {
        var request = On(StepRun.Request(false, 2, new MulticlassTask(3)), 3);
        var passes = new List<Failing>();
        var error = Assert.ThrowsExactly<NotFiniteNumberException>(() => StepRun.Train(request, parts => ParallelStep.Create(parts, own =>
        {
            // The others are made first, in their order, and the first device's last.
            var device = (passes.Count + 1) % 3;
            passes.Add(new Failing(DeviceWork.For(own).Pass, device == failing ? batch : int.MaxValue));
            return new(passes[^1], null);
        })));
        StringAssert.Contains(error.StackTrace!, nameof(Failing));
        Assert.AreEqual(3, passes.Count);
        Assert.IsTrue(passes.All(p => p.Freed));
        Assert.AreEqual(3, passes.Select(p => p.Thread).Distinct().Count(), "each device has its thread");
        Assert.IsTrue(passes.All(p => p.FreedOn == p.Thread), "a device is freed on its thread");
    }

    [TestMethod]
    [Timeout(300_000)]
    public void WhatCannotBeSetUpOnADeviceComesOutAndTheOthersAreFreed()
    {
        var request = On(StepRun.Request(false, 1, new MulticlassTask(3)), 3);
        var passes = new List<Failing>();
        Assert.ThrowsExactly<TimeoutException>(() => StepRun.Train(request, parts => ParallelStep.Create(parts, own =>
        {
            if (passes.Count == 1)
                throw new TimeoutException();
            passes.Add(new Failing(DeviceWork.For(own).Pass, int.MaxValue));
            return new(passes[^1], null);
        })));
        Assert.IsTrue(passes.Single().Freed);
    }

    [TestMethod]
    public void RowsAreDealtInOrderAndEvenly()
    {
        for (int devices = 1; devices <= 5; devices++)
        {
            for (int count = 1; count <= 13; count++)
            {
                var rows = Enumerable.Range(100, count).ToArray();
                var shares = Enumerable.Range(0, devices).Select(d => DealtBatch.Share(rows, devices, d)).ToArray();
                CollectionAssert.AreEqual(rows, shares.SelectMany(s => s).ToArray());
                Assert.IsTrue(shares.Max(s => s.Length) - shares.Min(s => s.Length) <= 1, $"{count} rows for {devices}");
                Assert.AreEqual((count + devices - 1) / devices, shares[0].Length);
            }
        }
    }

    [TestMethod]
    [TestCategory("Gpu")]
    [DataRow(false)]
    [DataRow(true)]
    public void TwoGpusTrainAsOneDoes(bool dora)
    {
        if (!cuda.is_available() || cuda.device_count() < 2)
            Assert.Inconclusive("There are no two CUDA devices.");
        var (first, second) = (new Device(DeviceType.CUDA, 0), new Device(DeviceType.CUDA, 1));
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(first, ScalarType.Float32);
        var said = new List<string>();
        FineTuningRequest Request() => ToyRun.Request(
            o => (o.UseDora, o.BatchSize, o.GradientAccumulationSteps, o.InitialLearningRate, o.MaxEpochs) = (dora, 4, 2, Rate, 2), validationRows: 6) with
        {
            Base = weights,
            Train = ToyRun.Rows(21, new MulticlassTask(3), 3, true),
            Log = said.Add,
        };
        using var one = FineTuningRun.Execute(Request());
        using var several = FineTuningRun.Execute(Request() with { OtherDevices = [second] });
        AssertSameRun(one, several);
        Assert.IsFalse(said.Any(s => s.Contains("call by call", StringComparison.Ordinal)), string.Join("; ", said));
    }

    private static void AssertSameRun(FineTuningResult expected, FineTuningResult actual)
    {
        foreach (var (one, other) in expected.History.Epochs.Zip(actual.History.Epochs))
        {
            Assert.AreEqual(one.TrainLoss, other.TrainLoss, 1e-4);
            Assert.AreEqual(one.ValidationLoss!.Value, other.ValidationLoss!.Value, 1e-4);
        }
        var (first, second) = (ToyRun.Weights(expected), ToyRun.Weights(actual));
        CollectionAssert.AreEquivalent(first.Keys, second.Keys);
        // Softmax does not see a key's bias: its gradient is rounding alone, which AdamW makes as large as any.
        foreach (var (name, values) in first.Where(w => !w.Key.EndsWith("key.bias", StringComparison.Ordinal)))
        {
            var difference = Math.Sqrt(values.Zip(second[name], (a, b) => (double)(a - b) * (a - b)).Average());
            Assert.IsTrue(difference < 0.05 * Rate, $"{name} differs by {difference} in the mean, at a learning rate of {Rate}");
        }
    }

    private static FineTuningRequest On(FineTuningRequest request, int devices) =>
        request with { OtherDevices = [.. Enumerable.Repeat(CPU, devices - 1)] };

    /// <summary>A pass that throws at one of its batches.</summary>
    private sealed class Failing(GradientPass inner, int at) : GradientPass
    {
        private int _runs;

        public int Thread { get; } = Environment.CurrentManagedThreadId;

        public bool Freed { get; private set; }

        public int FreedOn { get; private set; }

        public override void Run(StepInputs inputs, Tensor lossSum)
        {
            if (_runs++ == at)
                throw new NotFiniteNumberException();
            inner.Run(inputs, lossSum);
        }

        public override void Dispose()
        {
            inner.Dispose();
            (Freed, FreedOn) = (true, Environment.CurrentManagedThreadId);
        }
    }
}
