using System.Reflection;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Training;

namespace Microsoft.ML.LoraInit.Tests.Training;

/// <summary>The engine with every fine-tuning method and with initialisations of each kind.</summary>
[TestClass]
public class MethodsInTrainingTests
{
    private static readonly MulticlassTask Task3 = new(3);

    public static IEnumerable<object[]> Methods => FineTuningMethod.Names.Where(n => n != "fusion").Select(Family.InSmall).Concat(["lora:freeze=a", "lora:bias=all", "lora:bias=lora_only"]).Select(n => new object[] { n });

    /// <summary>Strategies that correct the base, replace it, add a matrix, freeze a factor, choose ranks, or need gradients, inputs or a training.</summary>
    public static IEnumerable<object[]> Initializations =>
        new[] { "pissa", "loftq", "nlora", "mica", "eva", "corda", "lora-ga", "lora-one", "hrp:steps=3,rank=16", "lora-sb", "lora-xs", "slora", "astra", "lora-null:freezeA=true", "cloq" }.Select(n => new object[] { n });

    [TestMethod]
    [DynamicData(nameof(Methods), DynamicDataDisplayName = nameof(DisplayName))]
    public void EveryMethodLearnsAndItsStateIsTheModelThatWasValidated(string method)
    {
        // The full model needs a smaller rate than what is added to it.
        var rate = FineTuningMethod.Parse(method) is FullMethod or FullFamilyMethod ? 3e-4 : 3e-3;
        var request = ToyRun.Request(o => (o.Method, o.InitialLearningRate, o.MaxEpochs) = (FineTuningMethod.Parse(method), rate, 3), rows: 48, validationRows: 16);
        using var trained = FineTuningRun.Execute(request);
        Assert.IsTrue(trained.History.Epochs[^1].TrainLoss < 0.9 * trained.History.Epochs[0].TrainLoss, trained.History.ToJson());
        AssertRebuilds(request, trained);
    }

    [TestMethod]
    [DynamicData(nameof(Initializations), DynamicDataDisplayName = nameof(DisplayName))]
    public void AnInitialisationIsComputedOnceHoweverOftenTheRunIsCutOff(string initialization)
    {
        using var folder = new TemporaryFolder();
        FineTuningRequest Request(string? checkpoints) => ToyRun.Request(
            o => (o.Initialization, o.CheckpointDirectory, o.InitialLearningRate) = (LoraInitialization.Parse(initialization), checkpoints, 5e-4),
            rows: 48, validationRows: 8);
        using var whole = FineTuningRun.Execute(Request(null));
        Assert.IsTrue(whole.History.InitializationSeconds > 0);

        // Cut off before the first epoch's end: all there is then is the checkpoint of the start.
        Assert.ThrowsExactly<TimeoutException>(() => FineTuningRun.Execute(Request(folder.Path) with { OnStep = _ => throw new TimeoutException() }));
        var phases = new List<string?>();
        var again = Request(folder.Path) with { Progress = new Collect(phases) };
        using var resumed = FineTuningRun.Execute(again);
        Assert.IsFalse(phases.Any(p => p is not null && p.StartsWith("Initialising", StringComparison.Ordinal)), string.Join("; ", phases));
        ToyRun.AssertSameBits(ToyRun.Weights(whole), ToyRun.Weights(resumed));
        AssertRebuilds(again, resumed);
    }

    public static string DisplayName(MethodInfo method, object[] data) => $"{method.Name} ({data[0]})";

    private static void AssertRebuilds(FineTuningRequest request, FineTuningResult trained)
    {
        var rows = request.Validation!;
        var metrics = Task3.Evaluate(ToyRun.Logits(trained, rows, Task3), rows.Labels, null);
        Assert.AreEqual(trained.History.Epochs[trained.History.BestEpoch - 1].ValidationLoss!.Value, metrics.LogLoss!.Value, 1e-5);
    }

    private sealed class Collect(List<string?> messages) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => messages.Add(value.Message);
    }
}
