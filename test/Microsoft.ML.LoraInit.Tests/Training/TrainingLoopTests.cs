using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training;

namespace Microsoft.ML.LoraInit.Tests.Training;

[TestClass]
public class TrainingLoopTests
{
    public static IEnumerable<object[]> Weighted => [[false], [true]];

    [TestMethod]
    [DynamicData(nameof(Weighted))]
    public void AccumulatedBatchesEqualOneLargeBatch(bool weighted)
    {
        using var undropped = new QuietBase();
        // 28 rows: the accumulated group ends with a batch that is not full.
        var data = ToyRun.Rows(28, new MulticlassTask(3), 3, weighted);
        var losses = new List<double>();
        Dictionary<string, float[]> Train(int batch, int accumulate)
        {
            // A low rate: AdamW divides by the gradient's size, which makes rounding errors of tiny gradients large.
            var request = ToyRun.Request(o => (o.BatchSize, o.GradientAccumulationSteps, o.MaxEpochs, o.InitialLearningRate) = (batch, accumulate, 3, 2e-4)) with { Train = data, Base = undropped.Weights };
            using var trained = FineTuningRun.Execute(request);
            Assert.AreEqual(3, trained.History.Steps);
            losses.Add(trained.History.Epochs[^1].TrainLoss);
            return ToyRun.Weights(trained);
        }
        var (small, large) = (Train(8, 4), Train(32, 1));
        Assert.AreEqual(losses[1], losses[0], 1e-6);
        foreach (var (name, values) in large)
            for (int i = 0; i < values.Length; i++)
                Assert.AreEqual(values[i], small[name][i], 1e-5, $"{name}[{i}]");
    }

    [TestMethod]
    public void AnIncompleteGroupIsAStepOfItsOwn()
    {
        // 40 rows in batches of 8, three a step: steps of 24 and 16 rows.
        using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.GradientAccumulationSteps, o.MaxEpochs) = (3, 2), rows: 40));
        Assert.AreEqual(4, trained.History.Steps);
    }

    [TestMethod]
    public void ASeedDecidesEveryBit()
    {
        using var first = FineTuningRun.Execute(ToyRun.Request());
        using var again = FineTuningRun.Execute(ToyRun.Request());
        using var other = FineTuningRun.Execute(ToyRun.Request(seed: 2));
        ToyRun.AssertSameBits(ToyRun.Weights(first), ToyRun.Weights(again));
        Assert.AreNotEqual(first.History.Epochs[0].TrainLoss, other.History.Epochs[0].TrainLoss);
    }

    [TestMethod]
    public void TrainingStopsWhenValidationGetsNoBetterAndKeepsTheBestEpoch()
    {
        // Labels that are permuted in validation: the better the training rows are learnt, the worse validation gets.
        var task = new MulticlassTask(3);
        var wrong = ToyRun.Rows(24, task, 9) is var rows ? rows with { Labels = [.. rows.Labels.Select(l => (l + 1) % 3)] } : null;
        var request = ToyRun.Request(o => (o.MaxEpochs, o.EarlyStoppingPatience) = (30, 2), rows: 48) with { Validation = wrong };
        using var trained = FineTuningRun.Execute(request);
        var history = trained.History;
        Assert.IsTrue(history.StoppedEarly);
        Assert.IsTrue(history.Epochs.Count < 30);
        Assert.AreEqual(history.BestEpoch + 2, history.Epochs.Count);
        var best = history.Epochs.Max(e => e.Metrics!.Accuracy!.Value);
        Assert.AreEqual(history.Epochs.First(e => e.Metrics!.Accuracy == best).Epoch, history.BestEpoch);

        // The model is that epoch's: scored again it gives that epoch's metrics.
        var logits = ToyRun.Logits(trained, wrong!, task);
        Assert.AreEqual(best, task.Evaluate(logits, wrong!.Labels, null).Accuracy!.Value);
        Assert.AreEqual(history.Epochs[history.BestEpoch - 1].ValidationLoss!.Value, task.LossOf(task.Evaluate(logits, wrong.Labels, null)), 1e-6);
    }

    [TestMethod]
    public void WithoutValidationTheLastEpochIsKept()
    {
        using var trained = FineTuningRun.Execute(ToyRun.Request());
        Assert.AreEqual(2, trained.History.BestEpoch);
        Assert.IsNull(trained.History.Epochs[0].Metrics);
    }

    [TestMethod]
    public void AClassUnseenInTrainingKeepsItsPlace()
    {
        var task = new MulticlassTask(5);
        var request = ToyRun.Request(task: task);
        var seen = ToyRun.Rows(60, new MulticlassTask(3), 4);
        // Classes 0, 2 and 4 occur, 1 and 3 do not.
        using var trained = FineTuningRun.Execute(request with { Train = seen with { Labels = [.. seen.Labels.Select(l => 2 * l)] } });
        var logits = ToyRun.Logits(trained, seen, task);
        var metrics = task.Evaluate(logits, [.. seen.Labels.Select(l => 2 * l)], null);
        Assert.AreEqual(5, logits[0].Length);
        Assert.IsTrue(metrics.Accuracy > 0.9, $"{metrics}");
    }

    [TestMethod]
    public void ADivergedRunSaysWhenAndWhatToDo()
    {
        var e = Assert.ThrowsExactly<TrainingDivergedException>(() =>
        {
            using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.InitialLearningRate, o.MaxGradientNorm) = (1e30, 0)));
        });
        Assert.IsTrue(e.Step > 0);
        StringAssert.Contains(e.Message, $"optimiser step {e.Step}");
        StringAssert.Contains(e.Message, "InitialLearningRate");
    }

    [TestMethod]
    public void Bfloat16TrainsOnTheCpuToo()
    {
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(TorchSharp.torch.CPU, TorchSharp.torch.ScalarType.BFloat16);
        using var trained = FineTuningRun.Execute(ToyRun.Request(o => o.MaxEpochs = 4, rows: 48, validationRows: 24) with { Base = weights });
        Assert.IsTrue(trained.History.Epochs[^1].Metrics!.Accuracy > 0.9, trained.History.ToJson());
    }

    [TestMethod]
    public void AHistoryReadsBackFromItsJson()
    {
        using var trained = FineTuningRun.Execute(ToyRun.Request(validationRows: 8));
        var json = trained.History.ToJson();
        Assert.AreEqual(json, TrainingHistory.FromJson(json).ToJson());
        Assert.AreEqual(trained.History.Epochs[1], TrainingHistory.FromJson(json).Epochs[1]);
        Assert.ThrowsExactly<FormatException>(() => TrainingHistory.FromJson("{"));
    }

    [TestMethod]
    [DoNotParallelize]
    public void NothingNativeGrowsOverTwentyEpochs()
    {
        // Tensors alive, counted at each epoch's first step: native memory that stays would show here, whatever the allocator keeps.
        var alive = new List<long>();
        var request = ToyRun.Request(o => o.MaxEpochs = 20, rows: 16, validationRows: 8) with
        {
            OnStep = step =>
            {
                if (step % 2 == 1)
                    alive.Add(TorchSharp.torch.Tensor.TotalCount);
            },
        };
        using var trained = FineTuningRun.Execute(request);
        Assert.AreEqual(20, alive.Count);
        // The first epoch ends with the best snapshot, which stays.
        Assert.IsTrue(alive[^1] <= alive[1] + 8, string.Join(", ", alive));
    }

    /// <summary>The embedded base without dropout.</summary>
    private sealed class QuietBase : IDisposable
    {
        public BaseWeights Weights { get; } = new(
            ToyRun.Base.Config with { HiddenDropout = 0, AttentionDropout = 0, ClassifierDropout = 0 },
            ToyRun.Base.Identity,
            ToyRun.Base.Tensors.ToDictionary(t => t.Key, t => t.Value.alias()));

        public void Dispose() => Weights.Dispose();
    }
}
