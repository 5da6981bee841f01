using System.Reflection;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Training;

/// <summary>The variants of LoRA and of full fine-tuning in whole runs.</summary>
[TestClass]
public sealed class FamilyInTrainingTests
{
    /// <summary>Every variant, with settings that make it act within a few steps.</summary>
    public static IEnumerable<object[]> Methods => Family.All.Concat(Family.Full).Select(m => new object[] { m });

    [TestMethod]
    [DynamicData(nameof(Methods), DynamicDataDisplayName = nameof(DisplayName))]
    public void ACutOffRunEndsWithTheSameBits(string method)
    {
        using var folder = new TemporaryFolder();
        FineTuningRequest Request(string? checkpoints) => ToyRun.Request(
            o => (o.Method, o.CheckpointDirectory, o.CheckpointEverySteps, o.MaxEpochs) = (FineTuningMethod.Parse(method), checkpoints, checkpoints is null ? null : 1, 2), rows: 40, validationRows: 8);
        using var whole = FineTuningRun.Execute(Request(null));
        foreach (var last in new[] { 3, 7 })
            Assert.ThrowsExactly<TimeoutException>(() => FineTuningRun.Execute(Request(folder.Path) with { OnStep = step => { if (step == last) throw new TimeoutException(); } }));
        using var resumed = FineTuningRun.Execute(Request(folder.Path));
        ToyRun.AssertSameBits(ToyRun.Weights(whole), ToyRun.Weights(resumed));
    }

    [TestMethod]
    [DynamicData(nameof(Methods), DynamicDataDisplayName = nameof(DisplayName))]
    public void TheCourseIsNotThatOfWhatItVaries(string method)
    {
        double Loss(string text)
        {
            using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.Method, o.MaxEpochs) = (FineTuningMethod.Parse(text), 1), rows: 40));
            return trained.History.Epochs[0].TrainLoss;
        }
        Assert.AreNotEqual(Loss(Family.Full.Contains(method) ? "full" : "lora"), Loss(method), 1e-6);
    }

    [TestMethod]
    public void TheLogSaysWhatTrainsByAutograd()
    {
        List<string> Log(string method)
        {
            var lines = new List<string>();
            FineTuningRun.Execute(ToyRun.Request(o => (o.Method, o.MaxEpochs) = (FineTuningMethod.Parse(method), 1), rows: 8) with { Log = lines.Add }).Dispose();
            return lines;
        }
        Assert.IsTrue(Log("loha").Any(l => l.Contains("loha train by autograd", StringComparison.Ordinal)));
        Assert.IsFalse(Log("lora-pro").Any(l => l.Contains("autograd", StringComparison.Ordinal)));
    }

    [TestMethod]
    [DataRow("lora", true)]
    [DataRow("sora", true)]
    [DataRow("loha", false)]
    [DataRow("prolora", false)]
    public void TheHistoryTellsOfAFactorisationOnlyWhereTheInitialisationMadeOne(string method, bool told)
    {
        using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.Method, o.MaxEpochs) = (FineTuningMethod.Parse(method), 1), rows: 8));
        Assert.AreEqual(told, trained.History.FactorizationError is not null);
    }

    [TestMethod]
    [DataRow("galore")]
    [DataRow("lisa:layers=1")]
    [DataRow("rosa")]
    public void AModelThatLearnsOnDoesSoInItsMethodsWay(string method)
    {
        FineTuningRequest Request() => ToyRun.Request(o => (o.Method, o.MaxEpochs, o.WeightDecay) = (FineTuningMethod.Parse(method), 1, 0), rows: 16);
        FineTuningResult Run(FineTunedState? known) => FineTuningRun.Execute(Request() with { Known = known });
        using var scope = NewDisposeScope();
        using var first = Run(null);
        using var second = Run(first.State);
        var changed = first.State.Tensors.ToDictionary(t => t.Key, t => second.State.Tensors[t.Key] - t.Value);
        bool Moved(string name) => changed.Where(c => c.Key.Contains(name, StringComparison.Ordinal)).Any(c => c.Value.any().item<bool>());
        switch (FineTuningMethod.Parse(method))
        {
            case GaloreMethod:
                Assert.AreEqual(4, linalg.svdvals(changed["roberta.encoder.layer.1.attention.self.query.weight"]).gt(1e-5).sum().item<long>());
                break;
            case LisaMethod:
                Assert.AreEqual(1, Enumerable.Range(0, 4).Count(i => Moved($".layer.{i}.")));
                break;
            default:
                Assert.IsTrue(Moved(RosaKind.Values) && !Moved(RosaKind.Places));
                break;
        }
    }

    [TestMethod]
    public void AScheduleWithoutACutIsRefusedBeforeTheRun()
    {
        var request = ToyRun.Request(o => (o.Method, o.MaxEpochs) = (new AdaLoraMethod { WarmupSteps = 3, FinalSteps = 2 }, 1), rows: 40);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => FineTuningRun.Execute(request)).Message, "of 5 steps");
    }

    [TestMethod]
    public void AdaLoraEndsWithItsTargetOfTriplets()
    {
        using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.Method, o.MaxEpochs) = (new AdaLoraMethod { InitialRank = 6, TargetRank = 2 }, 2), rows: 40));
        var kept = trained.State.Tensors.Where(t => t.Key.EndsWith(AdaLoraMethod.Lambda, StringComparison.Ordinal)).Sum(t => t.Value.count_nonzero().item<long>());
        Assert.AreEqual(2 * trained.State.Adapters.Count, kept);
    }

    [TestMethod]
    public void SoraTakesRanksOutOfUse()
    {
        using var trained = FineTuningRun.Execute(ToyRun.Request(o => o.Method = new SoraMethod { Threshold = 0.05 }, rows: 40));
        var gates = trained.State.Tensors.Where(t => t.Key.EndsWith(SoraMethod.Gate, StringComparison.Ordinal)).SelectMany(t => t.Value.data<float>().ToArray()).ToArray();
        Assert.IsTrue(gates.Any(g => g == 0) && gates.Any(g => g != 0), string.Join(" ", gates));
    }

    public static string DisplayName(MethodInfo method, object[] data) => $"{method.Name} ({data[0]})";
}

/// <summary>The variants by name.</summary>
internal static class Family
{
    /// <summary>Those of LoRA, with settings that the tiny model has room for and that cost little.</summary>
    public static string[] All { get; } = [.. FineTuningMethod.Names.Where(n => FineTuningMethod.Parse(n) is LoraFamilyMethod).Select(InSmall)];

    /// <summary>Those of full fine-tuning, with settings that make them act within a few steps.</summary>
    public static string[] Full { get; } = ["galore:gap=2", "lisa:layers=1,interval=3", "lisa:layers=2,interval=3,keep=false"];

    /// <summary>A method by its name, with such settings; ALoRA scores the model for each of its ranks in each round.</summary>
    public static string InSmall(string name) => name switch
    {
        "rosa" => "rosa:density=0.1",
        "alora" => "alora:rounds=2",
        _ => name,
    };
}
