using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters.Family;

/// <summary>What the variants' tensors start from and are trained by, which no product of them shows.</summary>
[TestClass]
public sealed class FamilyStartTests
{
    // The bound of Kaiming-uniform with a = √5 is one over the root of the columns; the tiny model's layers are [16, 16], [32, 16] and [16, 32].
    [TestMethod]
    [DataRow("loha", LohaKind.A2, LohaKind.A1, 16)]
    [DataRow("loha", LohaKind.A2, LohaKind.B2, 4)]
    [DataRow("melora", MeloraKind.B, MeloraKind.A, 8)]
    [DataRow("melora:count=4", MeloraKind.B, MeloraKind.A, 4)]
    [DataRow("lokr", LokrKind.C, LokrKind.D, 4)]
    [DataRow("lokr:lycoris=true", LokrKind.D, LokrKind.C, 4)]
    [DataRow("lokr:factor=1", LokrKind.C, LokrKind.Db, 16)]
    [DataRow("lokr:factor=1,lycoris=true", LokrKind.Db, LokrKind.Da, 4)]
    public void OneTensorStartsAtZeroAndTheOthersKaimingUniform(string method, string zero, string drawn, int columns)
    {
        using var run = new TinyRun(FineTuningMethod.Parse(method));
        var layers = run.Model.Linears.Where(l => (l.InFeatures, l.OutFeatures) == (16, 16)).Select(l => l.Adapter!.Parameters.ToDictionary(p => p.Name[l.Name.Length..], p => p.Value)).ToArray();
        foreach (var layer in layers)
            CollectionAssert.AreEqual(new[] { zero }, layer.Where(p => !p.Value.any().item<bool>()).Select(p => p.Key).ToArray());
        var largest = layers.Max(l => l[drawn].abs().max().item<float>()) * Math.Sqrt(columns);
        Assert.IsTrue(largest is > 0.9 and <= 1.0001, $"{largest} of the bound");
    }

    // By huggingface/peft 5d602fd, tuners/lokr/layer.py, factorization.
    [TestMethod]
    [DataRow(768, -1, 24, 32)]
    [DataRow(127, -1, 1, 127)]
    [DataRow(360, -1, 18, 20)]
    [DataRow(768, 16, 16, 48)]
    [DataRow(250, 4, 2, 125)]
    [DataRow(16, 3, 2, 8)]
    [DataRow(16, 32, 4, 4)]
    [DataRow(16, 8, 8, 2)]
    [DataRow(16, 1, 1, 16)]
    public void LokrSplitsADimensionAsPeftDoes(int dimension, int factor, int first, int second) => Assert.AreEqual((first, second), new LokrKind(factor, false).Split(dimension));

    [TestMethod]
    [DataRow("adalora", AdaLoraMethod.Lambda, true)]
    [DataRow("sora", SoraMethod.Gate, false)]
    [DataRow("kasa", KasaMethod.Diagonal, true)]
    [DataRow("beamlora", BeamLoraMethod.Gate, true)]
    [DataRow("sd-lora", SdLoraKind.Magnitudes, false)]
    public void GatesDecayWhereTheirSourcesDecayThem(string method, string suffix, bool decays)
    {
        using var run = new TinyRun(FineTuningMethod.Parse(method));
        var parameters = run.Parameters.Parameters.Where(p => p.Name.EndsWith(suffix, StringComparison.Ordinal)).ToArray();
        Assert.HasCount(run.Model.Linears.Count, parameters);
        foreach (var settings in new[] { new AdamWSettings(), new AdamWSettings { DecayEverything = true } })
            Assert.IsTrue(parameters.All(p => settings.DecayOf(p) > 0 == decays), $"{settings}");
    }

    [TestMethod]
    public void KasasGatesAndSorasAreNormal()
    {
        foreach (var method in new[] { "kasa", "sora" })
        {
            using var run = new TinyRun(FineTuningMethod.Parse(method), start: f => f with { B = zeros_like(f.B) });
            using var scope = NewDisposeScope();
            var gates = cat([.. run.Model.Linears.Select(l => ((GatedAdapter)l.Adapter!).Gate.Value)]);
            Assert.AreEqual(1, gates.square().mean().item<float>(), 0.5, method);
        }
    }

    [TestMethod]
    public void AdaLorasScheduleIsATenthAndThreeTenthsOfTheRunUnlessSaidOtherwise()
    {
        Assert.AreEqual(new BudgetSchedule(10, 30, 100, 1, 12, 8), new AdaLoraMethod().Schedule(100, 12, 8));
        Assert.AreEqual(new BudgetSchedule(0, 5, 60, 3, 12, 12), new AdaLoraMethod { WarmupSteps = 0, FinalSteps = 5, TotalSteps = 60, Interval = 3 }.Schedule(100, 12, 20));
    }

    [TestMethod]
    public void DyloraDrawsOneRankAStepForAllLayersAndEachInItsTurn()
    {
        using var run = new TinyRun(FineTuningMethod.Dylora());
        using var scope = NewDisposeScope();
        var drawn = Enumerable.Range(0, 24).Select(step =>
        {
            run.Hooks.BeforeStep(step);
            return string.Join(' ', run.Model.Linears.Select(Rank).Distinct());
        }).ToArray();
        CollectionAssert.AreEquivalent(new[] { "1", "2", "3", "4" }, drawn.Distinct().ToArray(), string.Join(", ", drawn));
        run.Hooks.BeforeStep(5);
        Assert.AreEqual(drawn[5], $"{Rank(run.Model.Linears[0])}", "a step's draw is the step's alone");
    }

    [TestMethod]
    public void RmLoraDrawsItsDirectionsAnewForEachStep()
    {
        using var run = new TinyRun(new RmLoraMethod { Directions = 1 });
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var adapter = (LoraAdapter)run.Model.Linears[0].Adapter!;
        var rows = Enumerable.Range(1, 24).Select(step =>
        {
            run.Parameters.Gradient().fill_(1);
            run.Hooks.BeforeUpdate(step, 1);
            return run.Place(adapter.A).Of(run.Parameters.Gradient()).sum([1L]).nonzero().item<long>();
        }).ToArray();
        CollectionAssert.AreEquivalent(new long[] { 0, 1, 2, 3 }, rows.Distinct().ToArray(), string.Join(", ", rows));
    }

    // How many ranks the layer's next training pass computes with.
    private static int Rank(Linear linear)
    {
        var adapter = (DyloraAdapter)linear.Adapter!;
        var x = randn(2, linear.InFeatures, generator: new Generator(1));
        var added = linear.forward(x, new ForwardContext { IsTraining = true }) - linear.Affine(x);
        Tensor Of(int b) => x.matmul(adapter.A.Value.narrow(0, 0, b).t()).matmul(adapter.B.Value.narrow(1, 0, b).t()) * (6.0 / b);
        return Enumerable.Range(1, 4).Single(b => added.allclose(Of(b), 1e-3, 1e-4));
    }
}
