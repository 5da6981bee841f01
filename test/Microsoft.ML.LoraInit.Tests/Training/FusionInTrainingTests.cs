using Microsoft.ML.LoraInit.Tests.Adapters.Fusion;
using Microsoft.ML.LoraInit.Training;

namespace Microsoft.ML.LoraInit.Tests.Training;

/// <summary>AdapterFusion in whole runs.</summary>
[TestClass]
public sealed class FusionInTrainingTests
{
    [TestMethod]
    public void ItLearnsWhileItsSourcesStay()
    {
        using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.Method, o.MaxEpochs) = (Fusions.Mini, 3), rows: 48));
        Assert.IsTrue(trained.History.Epochs[^1].TrainLoss < 0.9 * trained.History.Epochs[0].TrainLoss, trained.History.ToJson());
        var tensors = ToyRun.Weights(trained);
        foreach (var (name, numbers) in Fusions.Mini.Sources[1].Content!.Numbers)
            CollectionAssert.AreEqual(numbers, tensors[name.Replace(".bottleneck.", ".fusion.source.1.", StringComparison.Ordinal)], name);
        Assert.IsTrue(Distance(trained) > 0, "V did not move.");
    }

    [TestMethod]
    public void TheCourseIsNotThatOfAFreshBottleneck()
    {
        double Loss(FineTuningMethod method)
        {
            using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.Method, o.MaxEpochs) = (method, 1), rows: 24));
            return trained.History.Epochs[0].TrainLoss;
        }
        Assert.AreNotEqual(Loss(FineTuningMethod.Pfeiffer(8)), Loss(Fusions.Mini), 1e-6);
    }

    [TestMethod]
    public void ThePenaltyKeepsTheValuesNearTheIdentity()
    {
        double Moved(double penalty)
        {
            using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.Method, o.MaxEpochs) = (Fusions.Mini with { Penalty = penalty }, 1), rows: 40));
            return Distance(trained);
        }
        Assert.IsTrue(Moved(10) < 0.7 * Moved(0), "A penalty of 10 keeps V no nearer than none.");
    }

    [TestMethod]
    public void ACutOffRunEndsWithTheSameBitsAndOnTheSameSourcesOnly()
    {
        using var folder = new TemporaryFolder();
        FineTuningRequest Request(string? checkpoints, FineTuningMethod? method = null) => ToyRun.Request(
            o => (o.Method, o.CheckpointDirectory, o.CheckpointEverySteps) = (method ?? Fusions.Mini, checkpoints, checkpoints is null ? null : 1), rows: 40, validationRows: 8);
        using var whole = FineTuningRun.Execute(Request(null));
        Assert.ThrowsExactly<TimeoutException>(() => FineTuningRun.Execute(Request(folder.Path) with { OnStep = step => { if (step == 3) throw new TimeoutException(); } }));
        var others = Fusions.Mini with { Sources = [.. Fusions.Mini.Sources.Take(2)] };
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => FineTuningRun.Execute(Request(folder.Path, others))).Message, "Method was ");
        using var resumed = FineTuningRun.Execute(Request(folder.Path));
        ToyRun.AssertSameBits(ToyRun.Weights(whole), ToyRun.Weights(resumed));
    }

    [TestMethod]
    public void AModelThatLearnsOnHasItsSourcesFromItself()
    {
        FineTuningRequest Request(FineTuningMethod method) => ToyRun.Request(o => (o.Method, o.MaxEpochs) = (method, 1), rows: 16);
        using var first = FineTuningRun.Execute(Request(Fusions.Mini));
        Assert.IsTrue(((AdapterFusionMethod)first.State.Method).Sources.All(s => s.Content is null));
        using var second = FineTuningRun.Execute(Request(first.State.Method) with { Known = first.State });
        var (before, after) = (ToyRun.Weights(first), ToyRun.Weights(second));
        CollectionAssert.AreEqual(before["roberta.encoder.layer.0.output.fusion.source.2.up.weight"], after["roberta.encoder.layer.0.output.fusion.source.2.up.weight"]);
        CollectionAssert.AreNotEqual(before["roberta.encoder.layer.0.output.fusion.query.weight"], after["roberta.encoder.layer.0.output.fusion.query.weight"]);
    }

    /// <summary>Of V from the identity, over all layers.</summary>
    private static double Distance(FineTuningResult trained) => ToyRun.Weights(trained).Where(t => t.Key.EndsWith("value.weight", StringComparison.Ordinal) && t.Key.Contains("fusion", StringComparison.Ordinal))
        .Sum(t => t.Value.Select((v, i) => Math.Pow(v - (i % ((int)Math.Sqrt(t.Value.Length) + 1) == 0 ? 1 : 0), 2)).Sum());
}
