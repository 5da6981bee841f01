using Microsoft.ML.LoraInit.Training;

namespace Microsoft.ML.LoraInit.Tests.Training;

[TestClass]
public class CancellationTests
{
    [TestMethod]
    public void BeforeAnythingItThrows()
    {
        var request = ToyRun.Request(o => o.CancellationToken = new CancellationToken(true));
        Assert.ThrowsExactly<OperationCanceledException>(() => FineTuningRun.Execute(request));
    }

    [TestMethod]
    public void WhileInitialisingItThrows()
    {
        using var source = new CancellationTokenSource();
        var request = ToyRun.Request(o =>
        {
            o.CancellationToken = source.Token;
            o.Progress = new Callback(p =>
            {
                if (p.Phase == TrainingPhase.Initializing)
                    source.Cancel();
            });
        });
        Assert.ThrowsExactly<OperationCanceledException>(() => FineTuningRun.Execute(request));
    }

    [TestMethod]
    public void InTheFirstEpochItThrowsAtOnce()
    {
        using var source = new CancellationTokenSource();
        long last = 0;
        var request = ToyRun.Request(o => o.CancellationToken = source.Token) with
        {
            OnStep = step =>
            {
                last = step;
                if (step == 2)
                    source.Cancel();
            },
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => FineTuningRun.Execute(request));
        Assert.AreEqual(2, last);
    }

    [TestMethod]
    public void LaterItGivesTheBestModelSoFar()
    {
        using var source = new CancellationTokenSource();
        var cancelled = ToyRun.Request(o => (o.CancellationToken, o.MaxEpochs) = (source.Token, 3), validationRows: 12) with
        {
            OnStep = step =>
            {
                if (step == 6) // the second epoch's second step of four
                    source.Cancel();
            },
        };
        using var trained = FineTuningRun.Execute(cancelled);
        Assert.IsTrue(trained.History.Cancelled);
        Assert.AreEqual(6, trained.History.Steps);
        Assert.AreEqual(1, trained.History.Epochs.Count);
        Assert.AreEqual(1, trained.History.BestEpoch);

        using var whole = FineTuningRun.Execute(cancelled with { CancellationToken = default, OnStep = null });
        Assert.IsFalse(whole.History.Cancelled);
        Assert.AreEqual(whole.History.Epochs[0].ValidationLoss, trained.History.Epochs[0].ValidationLoss);
    }

    [TestMethod]
    public void WhileValidatingItGivesTheBestModelSoFar()
    {
        using var source = new CancellationTokenSource();
        // Cancelled by the last step of the second epoch, so that its validation is what meets the token.
        var request = ToyRun.Request(o => (o.CancellationToken, o.MaxEpochs) = (source.Token, 3), validationRows: 12) with
        {
            OnStep = step =>
            {
                if (step == 8)
                    source.Cancel();
            },
        };
        using var trained = FineTuningRun.Execute(request);
        Assert.IsTrue(trained.History.Cancelled);
        Assert.AreEqual(8, trained.History.Steps);
        Assert.AreEqual(1, trained.History.Epochs.Count);
    }

    [TestMethod]
    public void ProgressTellsPhasesSpeedAndTimeLeft()
    {
        var reports = new List<TrainingProgress>();
        var messages = new List<string>();
        var request = ToyRun.Request(o => o.Progress = new Callback(reports.Add), validationRows: 12) with
        {
            Log = messages.Add,
            OnStep = _ => Thread.Sleep(110), // every step's report is due
        };
        using var trained = FineTuningRun.Execute(request);
        foreach (var phase in new[] { TrainingPhase.Initializing, TrainingPhase.Training, TrainingPhase.Finishing })
            Assert.IsTrue(reports.Any(r => r.Phase == phase), $"{phase}");
        var steps = reports.Where(r => r.Phase == TrainingPhase.Training && r.Loss is not null).ToArray();
        Assert.IsTrue(steps.Length >= 8, $"{steps.Length}");
        Assert.IsTrue(steps.All(r => r.TotalSteps == 8 && r.MaxEpochs == 2 && r.SamplesPerSecond > 0 && r.Remaining >= TimeSpan.Zero));
        Assert.AreEqual(TimeSpan.Zero, steps[^1].Remaining);
        Assert.AreEqual(trained.History.Epochs[^1].Metrics!.Accuracy, steps[^1].Metric);
        Assert.IsTrue(messages.Any(m => m.StartsWith("Epoch 2/2: loss ", StringComparison.Ordinal)), string.Join("\n", messages));
    }
}
