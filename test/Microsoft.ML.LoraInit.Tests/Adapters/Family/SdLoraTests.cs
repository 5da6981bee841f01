using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tests.Training;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters.Family;

/// <summary>SD-LoRA: directions of earlier stages, magnitudes, and stages that go on from each other.</summary>
[TestClass]
public sealed class SdLoraTests
{
    private static readonly AdapterSettings Settings = new() { Rank = 2, Alpha = 6, TargetModules = TargetModules.AllLinear };

    [TestMethod]
    public void ALayerAddsItsDirectionsTimesTheirMagnitudes()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var target = new AdapterTarget("layer", 5, 7, 2, 6, false);
        var parts = new SdLoraKind(2, 3).Layout(target).ToDictionary(p => p.Suffix, p => randn(p.Shape, generator: new Generator((ulong)p.Suffix.Length)));
        using var adapter = new SdLoraKind(2, 3).Build(new(target, 0, parts, CPU), zeros(7, 5));
        var (m, a, b) = (parts[SdLoraKind.Magnitudes].data<float>().ToArray(), parts[SdLoraKind.EarlierA], parts[SdLoraKind.EarlierB]);
        var expected = (b.narrow(1, 0, 3).matmul(a.narrow(0, 0, 3)) * m[0]) + (b.narrow(1, 3, 3).matmul(a.narrow(0, 3, 3)) * m[1])
            + (parts[LinearAdapter.Names.B].matmul(parts[LinearAdapter.Names.A]) * (m[2] * 3));
        TensorAssert.Close(expected, adapter.EffectiveWeight(zeros(7, 5)), 1e-5, "the change");
        CollectionAssert.AreEqual(new[] { true, true, true, false, false }, adapter.Parameters.Select(p => new SdLoraKind(2, 3).Trains(p.Name["layer".Length..])).ToArray());
    }

    [TestMethod]
    [DataRow("lora", false)]
    [DataRow("sora", false)]
    [DataRow("sd-lora", false)]
    [DataRow("lora", true)]
    [DataRow("sd-lora", true)]
    public void AStageStartsAsTheModelThatItGoesOnFrom(string first, bool corrected)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var weights = TinyModel.Base();
        using var state = Disturbed(weights, FineTuningMethod.Parse(first), null, corrected: corrected);
        using var earlier = EarlierDirections.Of(state);
        using var second = Disturbed(weights, new SdLoraMethod { Stages = 2, EarlierRank = earlier.Rank }, earlier, disturb: false);
        var (before, after) = (state.MergedWeights(weights, CPU, ScalarType.Float32), second.MergedWeights(weights, CPU, ScalarType.Float32));
        foreach (var (name, value) in before.Where(w => w.Key.StartsWith("roberta", StringComparison.Ordinal)))
            TensorAssert.Close(value, after[name], 1e-5, name);
    }

    [TestMethod]
    public void StagesOfOtherRanksStandSideBySide()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var weights = TinyModel.Base();
        using var first = Disturbed(weights, FineTuningMethod.Lora(), null, rank: 4);
        using var one = EarlierDirections.Of(first);
        using var second = Disturbed(weights, new SdLoraMethod { Stages = 2, EarlierRank = one.Rank }, one);
        using var two = EarlierDirections.Of(second);
        Assert.AreEqual((2, 4), (two.Count, two.Rank));
        var merged = second.MergedWeights(weights, CPU, ScalarType.Float32);
        foreach (var (module, (a, b)) in two.Layers)
            TensorAssert.Close(merged[$"{module}.weight"] - weights[$"{module}.weight"], b.matmul(a), 1e-4, module);
    }

    [TestMethod]
    public void TheLossIsThatOfTheNewClassesAmongThemselves()
    {
        using var scope = NewDisposeScope();
        var logits = randn(6, 5, requires_grad: true, generator: new Generator(1));
        var task = new MulticlassTask(5).Learning(2);
        var loss = task.RowLosses(logits, tensor(new long[] { 2, 3, 4, 2, 3, 4 }));
        var expected = nn.functional.cross_entropy(logits.narrow(1, 2, 3), tensor(new long[] { 0, 1, 2, 0, 1, 2 }), null, -100, nn.Reduction.None);
        TensorAssert.Identical(expected.detach(), loss.detach(), "losses");
        loss.sum().backward();
        Assert.IsFalse(logits.grad!.narrow(1, 0, 2).any().item<bool>());
    }

    [TestMethod]
    public void WhatIsKnownStaysBitForBitAndTheRestLearns()
    {
        using var first = FineTuningRun.Execute(ToyRun.Request(o => o.MaxEpochs = 1, rows: 24, task: new MulticlassTask(2)));
        using var earlier = EarlierDirections.Of(first.State);
        using var second = FineTuningRun.Execute(Stage(first, earlier));
        var (old, now) = (first.State.Tensors, second.State.Tensors);
        TensorAssert.Identical(old["classifier.dense.weight"], now["classifier.dense.weight"], "the head's hidden layer");
        TensorAssert.Identical(old["classifier.out_proj.weight"], now["classifier.out_proj.weight"].narrow(0, 0, 2), "the old classes' rows");
        TensorAssert.Identical(old["classifier.out_proj.bias"], now["classifier.out_proj.bias"].narrow(0, 0, 2), "their biases");
        foreach (var (module, (a, b)) in earlier.Layers)
        {
            TensorAssert.Identical(a, now[module + SdLoraKind.EarlierA], module);
            TensorAssert.Identical(b, now[module + SdLoraKind.EarlierB], module);
            Assert.IsTrue(now[module + SdLoraKind.Magnitudes].ne(1).all().item<bool>() && now[module + LinearAdapter.Names.B].any().item<bool>(), module);
        }
    }

    [TestMethod]
    public void ACutOffStageEndsWithTheSameBits()
    {
        using var folder = new TemporaryFolder();
        using var first = FineTuningRun.Execute(ToyRun.Request(o => o.MaxEpochs = 1, rows: 24, task: new MulticlassTask(2)));
        using var earlier = EarlierDirections.Of(first.State);
        using var whole = FineTuningRun.Execute(Stage(first, earlier));
        Assert.ThrowsExactly<TimeoutException>(() => FineTuningRun.Execute(Stage(first, earlier, folder.Path) with { OnStep = step => { if (step == 3) throw new TimeoutException(); } }));
        using var resumed = FineTuningRun.Execute(Stage(first, earlier, folder.Path));
        ToyRun.AssertSameBits(ToyRun.Weights(whole), ToyRun.Weights(resumed));

        using var other = FineTuningRun.Execute(ToyRun.Request(o => o.MaxEpochs = 1, rows: 24, task: new MulticlassTask(2), seed: 2));
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => FineTuningRun.Execute(Stage(other, earlier, folder.Path))).Message, "known model");
    }

    [TestMethod]
    [DataRow("houlsby", "no low-rank adapters")]
    [DataRow("bitfit", "no low-rank adapters")]
    [DataRow("loha", "no product of low rank")]
    public void AModelOfAnotherShapeIsRefused(string method, string why)
    {
        using var trained = FineTuningRun.Execute(ToyRun.Request(o => (o.MaxEpochs, o.Rank, o.Method) = (1, 20, FineTuningMethod.Parse(method)), rows: 8));
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => EarlierDirections.Of(trained.State)).Message, why);
    }

    [TestMethod]
    public void FromTheSecondStageOnAStartLeavesTheBaseAlone()
    {
        var method = new SdLoraMethod { Stages = 2, EarlierRank = 4 };
        Assert.IsTrue(FineTuningMethod.SdLora().GoesWith(LoraInitialization.Pissa()) && method.GoesWith(LoraInitialization.Kaiming()));
        Assert.IsFalse(method.GoesWith(LoraInitialization.Pissa()) || method.GoesWith(LoraInitialization.Parse("eva")));
        var counted = ToyRun.Request(o => o.Method = method, rows: 8);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => FineTuningRun.Execute(counted)).Message, "LoraNewClassesTrainer");
    }

    private static FineTuningRequest Stage(FineTuningResult first, EarlierDirections earlier, string? checkpoints = null)
    {
        var task = new MulticlassTask(4).Learning(2);
        var rows = ToyRun.Rows(48, task, 9);
        int[] fresh = [.. Enumerable.Range(0, rows.Count).Where(i => rows.Labels[i] >= 2)];
        return ToyRun.Request(o => (o.Method, o.CheckpointDirectory, o.CheckpointEverySteps, o.WeightDecay, o.DecayBiasesAndNorms) =
            (new SdLoraMethod { Stages = 2, EarlierRank = earlier.Rank }, checkpoints, checkpoints is null ? null : 1, 0.1, true), task: task) with
        {
            Known = first.State,
            Earlier = earlier,
            Train = rows.Take(fresh),
        };
    }

    /// <summary>A model of a method, its adapters' trained numbers disturbed, since zeros hide what is wrong with a product.</summary>
    private static FineTunedState Disturbed(BaseWeights weights, FineTuningMethod method, EarlierDirections? earlier, bool disturb = true, int rank = 2, bool corrected = false)
    {
        using var model = TinyModel.Create(weights);
        var settings = Settings with { Rank = rank };
        var targets = method.Targets(settings, model.Config);
        method.Apply(model, new(settings, 3, targets, AdapterTests.RandomFactors(targets, f => corrected ? f with { SubtractFromBase = true } : f with { B = zeros_like(f.B) }), earlier));
        foreach (var parameter in model.Linears.SelectMany(l => l.Adapter!.Parameters).Where(p => disturb && p.Trained))
            parameter.Replace(parameter.Value + (randn(parameter.Shape, generator: new Generator(SeededRandom.Hash(9, parameter.Name))) * 0.3));
        return FineTunedState.Capture(model, method, null);
    }
}
