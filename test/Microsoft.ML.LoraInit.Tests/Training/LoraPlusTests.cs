using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training;

namespace Microsoft.ML.LoraInit.Tests.Training;

[TestClass]
public sealed class LoraPlusTests
{
    [TestMethod]
    public void OneStepMovesBTheRatioTimesAsFarAndNothingElse()
    {
        Dictionary<string, float[]> AfterOneStep(double ratio)
        {
            using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.LoraPlusRatio, o.MaxEpochs) = (ratio, 1), rows: 8));
            Assert.AreEqual(1, trained.History.Steps);
            Assert.AreEqual(ratio, trained.State.Description.Optimizer!.LoraPlusRatio);
            return ToyRun.Weights(trained);
        }

        var (plain, plus) = (AfterOneStep(1), AfterOneStep(4));

        foreach (var (name, values) in plain)
        {
            // B starts at zero, so its value is its first step.
            var factor = name.EndsWith(LinearAdapter.Names.B, StringComparison.Ordinal) ? 4 : 1;
            for (int i = 0; i < values.Length; i++)
                Assert.AreEqual(factor * values[i], plus[name][i], 1e-6 * factor * Math.Abs(values[i]), $"{name}[{i}]");
        }
        Assert.IsTrue(plain.Where(t => t.Key.EndsWith(LinearAdapter.Names.B, StringComparison.Ordinal)).All(t => t.Value.Any(v => v != 0)));
    }

    [TestMethod]
    [DataRow("sora", ".lora_B")]
    [DataRow("sd-lora", ".lora_B")]
    [DataRow("melora", ".melora_B")]
    [DataRow("prolora", ".prolora_B", ".prolora_own_B")]
    public void OneStepMovesAVariantsBTheRatioTimesAsFarAndNothingElse(string method, params string[] outputs)
    {
        Dictionary<string, float[]> AfterOneStep(double ratio)
        {
            using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.Method, o.LoraPlusRatio, o.MaxEpochs) = (FineTuningMethod.Parse(method), ratio, 1), rows: 8));
            return ToyRun.Weights(trained);
        }
        var (plain, plus) = (AfterOneStep(1), AfterOneStep(4));
        var raised = plain.Keys.Where(n => outputs.Any(o => n.EndsWith(o, StringComparison.Ordinal))).ToArray();
        Assert.HasCount(8 * outputs.Length, raised);
        foreach (var name in plain.Keys)
            CollectionAssert.AreEqual(plain[name].Select(v => raised.Contains(name) ? 4 * v : v).ToArray(), plus[name], Comparer<float>.Create((a, b) => Math.Abs(a - b) <= 1e-5 * Math.Abs(a) ? 0 : 1), name);
    }

    [TestMethod]
    public void ItLearns()
    {
        using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.LoraPlusRatio, o.InitialLearningRate, o.MaxEpochs) = (8, 1e-3, 4), rows: 96, validationRows: 48));
        Assert.IsTrue(trained.History.Epochs[^1].Metrics!.Accuracy > 0.95, trained.History.ToJson());
    }
}
