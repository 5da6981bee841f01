using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.LoraInit.Training.Checkpointing;

namespace Microsoft.ML.LoraInit.Tests.Training;

[TestClass]
public class ResumeTests
{
    private const int Epochs = 3;

    /// <summary>Plain, with validation, with accumulation and weights.</summary>
    public static IEnumerable<object[]> Shapes => [[1, 0, false], [1, 12, false], [2, 12, true]];

    [TestMethod]
    [DynamicData(nameof(Shapes))]
    public void ARunThatIsCutOffAgainAndAgainEndsWithTheSameBits(int accumulate, int validationRows, bool weighted)
    {
        using var folder = new TemporaryFolder();
        var task = new MulticlassTask(3);
        FineTuningRequest Request(string? checkpoints) => ToyRun.Request(
            o => (o.GradientAccumulationSteps, o.MaxEpochs, o.CheckpointDirectory, o.CheckpointEverySteps) = (accumulate, Epochs, checkpoints, 2),
            validationRows: validationRows) with
        { Train = ToyRun.Rows(44, task, 7, weighted) };
        using var whole = FineTuningRun.Execute(Request(null));

        var random = new SeededRandom(5);
        int interruptions = 0;
        FineTuningResult? resumed = null;
        while (resumed is null)
        {
            // The process is gone without notice after a few steps: nothing is written then, unlike with a cancellation.
            int left = 3 + random.Next(3);
            try
            {
                resumed = FineTuningRun.Execute(Request(folder.Path) with { OnStep = _ => { if (--left == 0) throw new ProcessGoneException(); } });
            }
            catch (ProcessGoneException)
            {
                interruptions++;
            }
        }
        using (resumed)
        {
            Assert.IsTrue(interruptions >= 2, $"{interruptions}");
            AssertSameRun(whole, resumed);
        }
    }

    [TestMethod]
    public void ACancelledRunGoesOnFromTheVeryStep()
    {
        using var folder = new TemporaryFolder();
        using var whole = FineTuningRun.Execute(ToyRun.Request(o => o.MaxEpochs = Epochs, validationRows: 12));
        using var source = new CancellationTokenSource();
        var request = ToyRun.Request(o => (o.MaxEpochs, o.CheckpointDirectory, o.CancellationToken) = (Epochs, folder.Path, source.Token), validationRows: 12);
        using var cancelled = FineTuningRun.Execute(request with { OnStep = step => { if (step == 6) source.Cancel(); } });
        Assert.IsTrue(cancelled.History.Cancelled);

        var steps = new List<long>();
        using var resumed = FineTuningRun.Execute(request with { OnStep = steps.Add, CancellationToken = default });
        Assert.AreEqual(7, steps[0]);
        AssertSameRun(whole, resumed);
    }

    [TestMethod]
    public void AFinishedRunIsNotTrainedAgain()
    {
        using var folder = new TemporaryFolder();
        var request = ToyRun.Request(o => o.CheckpointDirectory = folder.Path, validationRows: 12);
        using var first = FineTuningRun.Execute(request);
        using var second = FineTuningRun.Execute(request with { OnStep = _ => Assert.Fail("a step was made") });
        AssertSameRun(first, second);
        Assert.AreEqual(first.History.ToJson(), second.History.ToJson());
        CollectionAssert.AreEquivalent(new[] { TrainingCheckpoint.FileName, "training.lock" }, Directory.GetFiles(folder.Path).Select(Path.GetFileName).ToArray());
    }

    [TestMethod]
    public void AnotherRunsCheckpointIsRefusedWithWhatDiffers()
    {
        using var folder = new TemporaryFolder();
        var request = ToyRun.Request(o => o.CheckpointDirectory = folder.Path);
        FineTuningRun.Execute(request).Dispose();

        Refused(ToyRun.Request(o => (o.CheckpointDirectory, o.InitialLearningRate) = (folder.Path, 1e-3)), "InitialLearningRate was 0.003 and is 0.001");
        Refused(ToyRun.Request(o => (o.CheckpointDirectory, o.MaxEpochs) = (folder.Path, 5)), "MaxEpochs was 2 and is 5");
        Refused(ToyRun.Request(o => (o.CheckpointDirectory, o.TargetModules) = (folder.Path, TargetModules.AllLinear)), "TargetModules was query,value and is all-linear");
        Refused(request with { Seed = 9 }, "seed was 1 and is 9");
        Refused(request with { Validation = request.Train }, "validation data (hash) was none");
        var labels = (float[])request.Train.Labels.Clone();
        labels[5] = (labels[5] + 1) % 3;
        Refused(request with { Train = request.Train with { Labels = labels } }, "training data (hash) was 32 rows");

        static void Refused(FineTuningRequest other, string difference)
        {
            var e = Assert.ThrowsExactly<InvalidOperationException>(() => FineTuningRun.Execute(other));
            StringAssert.Contains(e.Message, difference);
            StringAssert.Contains(e.Message, "CheckpointDirectory");
        }
    }

    [TestMethod]
    public void WhatDoesNotMatterMayDiffer()
    {
        using var folder = new TemporaryFolder();
        FineTuningRun.Execute(ToyRun.Request(o => o.CheckpointDirectory = folder.Path)).Dispose();
        using var again = FineTuningRun.Execute(ToyRun.Request(o => (o.CheckpointDirectory, o.CheckpointEverySteps, o.ScoreColumnName) = (folder.Path, 1, "Other")));
        Assert.AreEqual(8, again.History.Steps);
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(100)]
    [DataRow(-1)]
    public void ATruncatedCheckpointIsRefused(int length)
    {
        using var folder = new TemporaryFolder();
        var request = ToyRun.Request(o => o.CheckpointDirectory = folder.Path);
        FineTuningRun.Execute(request).Dispose();
        var path = folder.File(TrainingCheckpoint.FileName);
        var bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, length < 0 ? bytes[..^1] : bytes[..length]);
        var e = Assert.ThrowsExactly<InvalidDataException>(() => FineTuningRun.Execute(request));
        StringAssert.Contains(e.Message, path);
        StringAssert.Contains(e.Message, "Delete it");
    }

    [TestMethod]
    public void WhatAKilledWriteLeftBehindIsCleanedUp()
    {
        using var folder = new TemporaryFolder();
        var leftOver = folder.File($".{TrainingCheckpoint.FileName}.0123.tmp");
        File.WriteAllText(leftOver, "half");
        FineTuningRun.Execute(ToyRun.Request(o => o.CheckpointDirectory = folder.Path)).Dispose();
        Assert.IsFalse(File.Exists(leftOver));
    }

    private static void AssertSameRun(FineTuningResult expected, FineTuningResult actual)
    {
        ToyRun.AssertSameBits(ToyRun.Weights(expected), ToyRun.Weights(actual));
        Assert.AreEqual(expected.History.BestEpoch, actual.History.BestEpoch);
        Assert.AreEqual(expected.History.Steps, actual.History.Steps);
        CollectionAssert.AreEqual(
            expected.History.Epochs.Select(e => (e.Epoch, e.TrainLoss, e.ValidationLoss, e.Metrics, e.LearningRate)).ToArray(),
            actual.History.Epochs.Select(e => (e.Epoch, e.TrainLoss, e.ValidationLoss, e.Metrics, e.LearningRate)).ToArray());
    }

    private sealed class ProcessGoneException : Exception;
}
