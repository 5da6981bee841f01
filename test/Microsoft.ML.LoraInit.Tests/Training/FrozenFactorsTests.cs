using Microsoft.ML.LoraInit.Training;

namespace Microsoft.ML.LoraInit.Tests.Training;

/// <summary>Strategies that train a part of their factors only.</summary>
[TestClass]
public sealed class FrozenFactorsTests
{
    [TestMethod]
    [DataRow("nlora:trainOnlyN=true", ".lora_N")]
    [DataRow("nlora:train-only-n=true", ".lora_N")]
    [DataRow("mica", ".lora_A")]
    [DataRow("lora-xs", ".lora_N")]
    [DataRow("kaiming", ".lora_B", "lora:freeze=a")]
    [DataRow("init-b", ".lora_A", "lora:freeze=b")]
    [DataRow("pissa", ".lora_B", "lora:freeze=a")]
    public void OnlyTheStrategysFactorIsTrained(string initialization, string trained, string method = "lora")
    {
        Dictionary<string, float[]> After(int epochs)
        {
            // Decay would move a factor that has no gradient.
            using var result = FineTuningRun.Execute(ToyRun.Request(
                o => (o.Initialization, o.Method, o.MaxEpochs, o.WeightDecay) = (LoraInitialization.Parse(initialization), FineTuningMethod.Parse(method), epochs, 0.5), rows: 16));
            var perLayer = result.State.Tensors.Where(t => t.Key.EndsWith(trained, StringComparison.Ordinal)).Sum(t => t.Value.numel());
            var head = result.State.Tensors.Where(t => t.Key.StartsWith("classifier.", StringComparison.Ordinal)).Sum(t => t.Value.numel());
            Assert.AreEqual(head + perLayer, result.History.TrainableParameters);
            return ToyRun.Weights(result);
        }

        var (one, two) = (After(1), After(2));

        foreach (var (name, values) in one.Where(t => t.Key.Contains(".lora_", StringComparison.Ordinal)))
            Assert.AreEqual(name.EndsWith(trained, StringComparison.Ordinal), !values.AsSpan().SequenceEqual(two[name]), name);
        Assert.IsTrue(one.Keys.Any(n => n.EndsWith(trained, StringComparison.Ordinal)));
    }
}
