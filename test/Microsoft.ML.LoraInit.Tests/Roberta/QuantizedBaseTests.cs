using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Adapters;
using Microsoft.ML.LoraInit.Tests.Training;
using Microsoft.ML.LoraInit.Trainers;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Roberta;

/// <summary>The model, its training and its stored state over a base in 4 bits.</summary>
[TestClass]
public sealed class QuantizedBaseTests
{
    private static readonly MulticlassTask Task3 = new(3);

    [TestMethod]
    public void LinearWeightsTakeFourBitsAndTheRestStays()
    {
        using var quantized = QuantizedBase.Pack(ToyRun.Base, CPU, ScalarType.Float32);
        var plain = ToyRun.Base;

        CollectionAssert.AreEquivalent(AdapterPlanner.Modules(plain.Config).Select(m => $"{m.Name}.weight").ToArray(), quantized.Quantized.Keys.ToArray());
        CollectionAssert.AreEquivalent(plain.Names.ToArray(), quantized.Names.ToArray());
        long weights = quantized.Quantized.Keys.Sum(n => plain[n].numel());
        Assert.AreEqual(3_145_728, weights, "4 layers × 12 · 256²");
        Assert.AreEqual(4.127, quantized.Quantized.Values.Sum(p => p.Bytes) * 8.0 / weights, 0.01);
        foreach (var (name, value) in quantized.Tensors)
            TensorAssert.Identical(plain[name], value, name);
        using var scope = NewDisposeScope();
        foreach (var (name, value) in quantized.Quantized)
        {
            var error = ((value.Dequantize() - plain[name]).norm() / plain[name].norm()).item<float>();
            Assert.IsTrue(error is > 0.05f and < 0.13f, $"{name}: {error}");
        }
    }

    [TestMethod]
    [DataRow(false, ScalarType.Float32, 1e-5)]
    [DataRow(true, ScalarType.Float32, 1e-5)]
    [DataRow(false, ScalarType.BFloat16, 5e-2)]
    public void TheModelComputesAndLearnsAsOverTheDequantisedBase(bool dora, ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var plain = TinyModel.Base();
        using var quantized = QuantizedBase.Pack(plain, CPU, type);
        using var dequantized = new BaseWeights(plain.Config, plain.Identity, quantized.Names.ToDictionary(
            n => n, n => quantized.Quantized.TryGetValue(n, out var p) ? p.Dequantize(type) : quantized[n].alias()));
        var settings = AdapterTests.Settings with { UseDora = dora };
        using var expected = TinyModel.Create(dequantized);
        using var actual = TinyModel.Create(quantized);
        AdapterTests.Attach(expected, settings: settings);
        AdapterTests.Attach(actual, settings: settings);

        TensorAssert.Close(TinyModel.Logits(expected), TinyModel.Logits(actual), tolerance, "logits");
        var (one, other) = (Steps.Run(expected, 3, dropoutSeed: 4), Steps.Run(actual, 3, dropoutSeed: 4));
        foreach (var (name, value) in one)
        {
            // Adam's first steps go the full rate whatever the gradient's size, so rounding may turn single tiny ones.
            var apart = ((value - other[name]).norm() / value.norm().clamp_min(1e-3)).item<float>();
            Assert.IsTrue(apart < 20 * tolerance, $"{name}: {apart}");
        }
        Steps.Free(one);
        Steps.Free(other);
    }

    [TestMethod]
    [DataRow("kaiming")]
    [DataRow("loftq:iterations=2")]
    [DataRow("mica")]
    [DataRow("nlora:trainOnlyN=true")]
    [DataRow("eva")]
    [DataRow("hrp:steps=3,rank=16")]
    public void ItLearnsAndItsStateIsTheModelThatWasValidated(string initialization)
    {
        var request = Request(initialization, null, validationRows: 16);
        using var quantized = request.Base;
        using var trained = FineTuningRun.Execute(request);
        Assert.IsTrue(trained.History.Epochs[^1].TrainLoss < 0.9 * trained.History.Epochs[0].TrainLoss, trained.History.ToJson());
        Assert.AreEqual(BaseQuantization.Nf4, trained.State.Description.BaseQuantization);

        var rows = request.Validation!;
        var validated = trained.History.Epochs[trained.History.BestEpoch - 1].ValidationLoss!.Value;
        var rebuilt = Task3.Evaluate(ToyRun.Logits(trained, rows, Task3), rows.Labels, null);
        Assert.AreEqual(validated, rebuilt.LogLoss!.Value, 1e-5, "rebuilt over the plain base");
        using var merged = trained.State.BuildMerged(ToyRun.Base, CPU, ScalarType.Float32);
        Assert.AreEqual(validated, Task3.Evaluate(Validation.Logits(merged, rows, Task3, 8, _ => { }), rows.Labels, null).LogLoss!.Value, 1e-4, "merged");
    }

    [TestMethod]
    public void MergingFromThePackedAndFromThePlainBaseGivesTheSameBits()
    {
        var request = Request("kaiming", null);
        using var quantized = request.Base;
        using var trained = FineTuningRun.Execute(request);
        using var scope = NewDisposeScope();
        var fromPlain = trained.State.MergedWeights(ToyRun.Base, CPU, ScalarType.Float32);
        var fromPacked = trained.State.MergedWeights(quantized, CPU, ScalarType.Float32);
        Assert.AreEqual(fromPlain.Count, fromPacked.Count);
        foreach (var (name, value) in fromPlain)
            TensorAssert.Identical(value, fromPacked[name], name);
        var changed = (fromPlain["roberta.encoder.layer.0.output.dense.weight"] - ToyRun.Base["roberta.encoder.layer.0.output.dense.weight"]).abs().max().item<float>();
        Assert.IsTrue(changed > 1e-3, "layers without adapters are quantised too");
    }

    [TestMethod]
    public void LoftqsCodesAreWhatTheLayersHold()
    {
        using var scope = NewDisposeScope();
        using var quantized = Quantized();
        using var model = TinyModel.Create(quantized);
        var targets = AdapterPlanner.Plan(AdapterTests.Settings with { TargetModules = TargetModules.QueryValue }, model.Config);
        using var context = new ModelInitializationContext(model, targets, 1, new ProgressReporter(null, null), CancellationToken.None);
        IReadOnlyList<InitializedAdapter> made;
        using (no_grad())
            made = LoraInitialization.Loftq().Initialize(context);
        AdapterAttacher.Attach(model, targets, made, AdapterTests.Settings);
        foreach (var (target, start) in targets.Zip(made))
        {
            var weight = model.Linears.Single(l => l.Name == target.ModuleName).Weight;
            Assert.IsNotNull(weight.Quantized);
            TensorAssert.Identical(start.ReplacementBase!, weight.Value, target.ModuleName);
            var original = ToyRun.Base[$"{target.ModuleName}.weight"];
            var plain = (quantized.Quantized[$"{target.ModuleName}.weight"].Dequantize() - original).norm().item<float>();
            var mended = (weight.Value + start.B.matmul(start.A) * target.Scaling - original).norm().item<float>();
            Assert.IsTrue(mended < 0.97 * plain, $"{target.ModuleName}: {mended} against {plain}");
        }
    }

    [TestMethod]
    public void ALoftqRunGoesOnFromItsCheckpointExactly()
    {
        using var folder = new TemporaryFolder();
        var plain = Request("loftq", null);
        using var one = plain.Base;
        using var whole = FineTuningRun.Execute(plain);
        var cut = Request("loftq", folder.Path);
        using var two = cut.Base;
        Assert.ThrowsExactly<TimeoutException>(() => FineTuningRun.Execute(cut with { OnStep = step => _ = step == 2 ? throw new TimeoutException() : step }));
        using var resumed = FineTuningRun.Execute(cut);
        ToyRun.AssertSameBits(ToyRun.Weights(whole), ToyRun.Weights(resumed));
    }

    [TestMethod]
    [DataRow("pissa")]
    [DataRow("inilora")]
    [DataRow("corda")]
    [DataRow("lora-ga")]
    [DataRow("lora-one")]
    [DataRow("nonzero:correctBase=true")]
    [DataRow("cntlora")]
    public void WhatDoesNotGoWithFourBitsIsRefusedByName(string initialization)
    {
        var options = new LoraTextClassificationTrainer.Options { Initialization = LoraInitialization.Parse(initialization), BaseQuantization = BaseQuantization.Nf4 };
        var error = Assert.ThrowsExactly<ArgumentException>(() => QuantizationCheck.Initialization(options));
        StringAssert.Contains(error.Message, $"'{initialization.Split(':')[0]}'");
        StringAssert.Contains(error.Message, "BaseQuantization");
    }

    [TestMethod]
    public void FullFineTuningAndAnUnfittingBaseAreRefused()
    {
        var options = new LoraTextClassificationTrainer.Options { Method = FineTuningMethod.Full(), BaseQuantization = BaseQuantization.Nf4 };
        var full = Assert.ThrowsExactly<ArgumentException>(() => TextTrainerRun.Check(options, ToyRun.Base.Config, 2));
        StringAssert.Contains(full.Message, "'full'");
        var other = ToyRun.Request(o => o.BaseQuantization = BaseQuantization.Nf4);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => FineTuningRun.Execute(other)).Message, "unquantised");
    }

    private static BaseWeights Quantized() => QuantizedBase.Pack(ToyRun.Base, CPU, ScalarType.Float32, name => ToyRun.Base[name].alias());

    private static FineTuningRequest Request(string initialization, string? checkpoints, int validationRows = 0) => ToyRun.Request(
        o => (o.Initialization, o.BaseQuantization, o.CheckpointDirectory, o.CheckpointEverySteps, o.MaxEpochs) =
            (LoraInitialization.Parse(initialization), BaseQuantization.Nf4, checkpoints, checkpoints is null ? null : 1, 3),
        rows: 48, validationRows) with
    { Base = Quantized() };
}
