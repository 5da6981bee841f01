using System.Text.Json;
using Microsoft.ML.LoraInit.Inspection;
using Microsoft.ML.LoraInit.Tests.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inspection;

[TestClass]
public sealed class InitializationInspectorTests
{
    [TestMethod]
    public void KaimingLeavesTheModelAsItIs()
    {
        var report = Inspect(LoraInitialization.Kaiming());
        Assert.AreEqual(8, report.Layers.Count, "query and value of four layers");
        Assert.AreEqual(0, report.Total.ProductRatio);
        Assert.AreEqual(0, report.Total.CapturedEnergy);
        Assert.AreEqual(0, report.Total.EffectiveRank);
        Assert.AreEqual(0, report.Total.OutputEnergy);
        Assert.IsTrue(report.Total.InputEnergy is > 0.01 and < 0.2, $"8 random of 256 directions hold {report.Total.InputEnergy} of W");
        Assert.AreEqual(0, report.Total.WeightChange);
        Assert.AreEqual(0, report.OutputChange.MaxLogit);
        Assert.AreEqual(0, report.OutputChange.Hidden);
        Assert.IsTrue(report.OutputChange.BaseMeanLogit > 0);
        Assert.IsNull(report.Total.GradientNormA);
        Assert.IsNull(report.Total.OutputOverlap);
        Assert.AreEqual(0, report.DataRows);
    }

    [TestMethod]
    public void TheRoundingOfTheBaseIsToldBesideTheStarts()
    {
        var report = Inspect(LoraInitialization.Pissa(), change: o => o.Precision = Precision.BFloat16);
        Assert.IsTrue(report.BaseRounding is > 1e-4 and < 0.05, $"{report.BaseRounding}");
        Assert.IsTrue(report.OutputChange.Hidden < report.BaseRounding, $"{report.OutputChange.Hidden}");
        Assert.IsNull(Inspect(LoraInitialization.Pissa()).BaseRounding, "fp32 is exact");
    }

    [TestMethod]
    public void PissaHoldsTheLeadingSingularValues()
    {
        var report = Inspect(LoraInitialization.Pissa(), against: LoraInitialization.Pissa());
        Assert.IsTrue(report.OutputChange.MaxLogit < 1e-5, $"{report.OutputChange.MaxLogit}");
        Assert.IsTrue(report.Total.WeightChange < 1e-6, $"{report.Total.WeightChange}");
        using var scope = NewDisposeScope();
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        foreach (var layer in report.Layers)
        {
            var values = linalg.svdvals(weights[$"{layer.Module}.weight"].to(ScalarType.Float64)).data<double>().ToArray();
            var squares = values.Select(v => v * v).ToArray();
            Assert.AreEqual(squares.Take(8).Sum() / squares.Sum(), layer.Measures.CapturedEnergy, 1e-6, layer.Module);
            Assert.AreEqual(Math.Sqrt(squares.Take(8).Sum() / squares.Sum()), layer.Measures.ProductRatio, 1e-6, layer.Module);
            Assert.AreEqual(Subspaces.EffectiveRank(values.AsSpan(0, 8)), layer.Measures.EffectiveRank, 1e-4, layer.Module);
            Assert.AreEqual(1, layer.Measures.OutputOverlap!.Value, 1e-6, layer.Module);
            Assert.AreEqual(1, layer.Measures.InputOverlap!.Value, 1e-6, layer.Module);
        }
    }

    [TestMethod]
    public void LeadingAndTrailingTripletsDoNotOverlap()
    {
        var report = Inspect(LoraInitialization.Pissa(), against: LoraInitialization.Milora());
        Assert.IsTrue(report.Total.OutputOverlap < 1e-4 && report.Total.InputOverlap < 1e-4, $"{report.Total.OutputOverlap}, {report.Total.InputOverlap}");
        Assert.IsNotNull(report.AgainstCost);
        Assert.AreEqual("milora", (string?)report.Against!["name"]);
    }

    // Loram needs a rank of 2, which the option has not and the method's adapters have.
    [TestMethod]
    public void AgainstIsCheckedForTheRanksThatTheMethodDecides()
    {
        var report = Inspect(LoraInitialization.Kaiming(), against: LoraInitialization.Loram(), change: o => (o.Rank, o.Method) = (1, new AdaLoraMethod { InitialRank = 4 }));
        Assert.AreEqual("loram", (string?)report.Against!["name"]);
    }

    [TestMethod]
    public void LoraOneChangesTheFunctionAndGradientsAreThoseOfTheLoss()
    {
        var ml = Topics.Context();
        var view = Topics.View(ml);
        var data = ml.Transforms.Conversion.MapValueToKey("Label").Fit(view).Transform(view);
        var report = Inspect(LoraInitialization.LoraOne(batchSize: 8, batches: 2), data);
        Assert.IsTrue(report.OutputChange.MaxLogit > 1e-4, $"{report.OutputChange.MaxLogit}");
        Assert.IsTrue(report.OutputChange.HiddenByLayer.All(h => h > 1e-6), string.Join(", ", report.OutputChange.HiddenByLayer));
        Assert.AreEqual(report.Total.ProductRatio, report.Total.WeightChange, 1e-6 + (1e-3 * report.Total.ProductRatio), "the product is all that is new");
        Assert.IsTrue(report.Total.GradientNormA > 0 && report.Total.GradientNormB > 0);
        Assert.AreEqual(Topics.Rows.Count, report.DataRows);
        Assert.AreEqual(16, report.ProbeRows);

        // B = 0 gives A no gradient; dB = s · G · Aᵀ does not vanish. A frozen factor has none.
        var kaiming = Inspect(LoraInitialization.Kaiming(), data).Total;
        Assert.AreEqual(0, kaiming.GradientNormA);
        Assert.IsTrue(kaiming.GradientNormB > 1e-4, $"{kaiming.GradientNormB}");
        Assert.IsNull(Inspect(LoraInitialization.Mica(), data).Total.GradientNormB);
    }

    [TestMethod]
    public void FactorsThatCancelOutHaveNoProduct()
    {
        var total = Inspect(LoraInitialization.Orthogonal()).Total;
        Assert.IsTrue(total.ProductRatio < 1e-6, $"{total.ProductRatio}");
        Assert.AreEqual(0, total.EffectiveRank);
        Assert.AreEqual(0, total.CapturedEnergy);
        Assert.IsTrue(total.OutputEnergy > 0 && total.InputEnergy > 0);
    }

    [TestMethod]
    public void TheMiddleFactorCounts()
    {
        var report = Inspect(LoraInitialization.Nlora());
        Assert.IsTrue(report.Total.ProductRatio > 0);
        Assert.IsTrue(report.OutputChange.MaxLogit > 0);
    }

    [TestMethod]
    public void ABaseInFourBitsIsComparedWithTheWeightsItCameFrom()
    {
        void Nf4(LoraTrainerOptions options) => options.BaseQuantization = BaseQuantization.Nf4;
        var (plain, loftq) = (Inspect(LoraInitialization.Kaiming(), change: Nf4).Total, Inspect(LoraInitialization.Loftq(), change: Nf4).Total);
        Assert.IsTrue(plain.WeightChange is > 0.05 and < 0.15, $"NF4 loses about 9 %, not {plain.WeightChange}");
        Assert.IsTrue(loftq.WeightChange < 0.99 * plain.WeightChange, $"{loftq.WeightChange} against {plain.WeightChange}");
        Assert.AreEqual(Inspect(LoraInitialization.Kaiming()).Total.InputEnergy, plain.InputEnergy, 1e-9, "the same A before the same W");
    }

    [TestMethod]
    public void WhatAStrategyWarnsOfIsInTheReport()
    {
        var ml = Topics.Context();
        var view = Topics.View(ml);
        var report = Inspect(LoraInitialization.Eva(tau: 1, batchSize: 4), ml.Transforms.Conversion.MapValueToKey("Label").Fit(view).Transform(view));
        StringAssert.Contains(string.Join("\n", report.Warnings), "not settled");
        Assert.AreEqual(0, Inspect(LoraInitialization.Kaiming()).Warnings.Count);
    }

    [TestMethod]
    public void OfAVariantItsOwnTensorsAreMeasured()
    {
        InspectionReport Of(string method) => Inspect(LoraInitialization.Kaiming(), change: o => o.Method = FineTuningMethod.Parse(method));
        // LoHa: A₂ is zero and B random, where LoRA has it the other way round.
        var loha = Of("loha");
        Assert.IsTrue(loha.Total.OutputEnergy is > 0.1 and < 0.5 && loha.Total.InputEnergy == 0, $"{loha.Total}");
        StringAssert.Contains(string.Join("\n", loha.Warnings), "'loha' starts in its own way");
        Assert.AreEqual("loha", (string?)loha.Method!["name"]);
        // MELoRA: two parts of rank 8 read twice as many directions as one.
        Assert.AreEqual(2, Of("melora").Total.InputEnergy / Of("lora").Total.InputEnergy, 0.5);
        // AdaLoRA: its own A and B, and λ = 0 between them.
        var ada = Of("adalora");
        Assert.IsTrue(ada.Total is { OutputEnergy: > 0.01, InputEnergy: > 0.01, ProductRatio: 0 }, $"{ada.Total}");
        Assert.AreEqual(0, ada.Warnings.Count);
        // LoKr: a change of no low rank, and zero.
        Assert.IsTrue(Of("lokr").Total is { OutputEnergy: 0, InputEnergy: 0, ProductRatio: 0 });
    }

    [TestMethod]
    public void WhatTheFactorsNeedIsCheckedFirst()
    {
        var missing = Assert.ThrowsExactly<ArgumentException>(() => Inspect(LoraInitialization.Eva()));
        StringAssert.Contains(missing.Message, "eva");
        StringAssert.Contains(missing.Message, nameof(InspectionOptions.Data));
        var other = Assert.ThrowsExactly<ArgumentException>(() => Inspect(LoraInitialization.Kaiming(), against: LoraInitialization.Corda()));
        StringAssert.Contains(other.Message, "corda");
        var method = Assert.ThrowsExactly<ArgumentException>(() => Inspect(LoraInitialization.Kaiming(), change: o => o.Method = FineTuningMethod.BitFit()));
        StringAssert.Contains(method.Message, "bitfit");
        var rank = Assert.ThrowsExactly<ArgumentException>(() => Inspect(LoraInitialization.Kaiming(), change: o => o.Rank = 9999));
        StringAssert.Contains(rank.Message, "9999");
        var odd = Assert.ThrowsExactly<ArgumentException>(() => Inspect(LoraInitialization.Kaiming(), against: LoraInitialization.Orthogonal(), change: o => o.Rank = 7));
        StringAssert.Contains(odd.Message, "orthogonal");
        var rows = Assert.ThrowsExactly<ArgumentException>(() => InitializationInspector.Inspect(new() { Training = Topics.Options(), ProbeRows = 0 }));
        StringAssert.Contains(rows.Message, nameof(InspectionOptions.ProbeRows));
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.ThrowsExactly<OperationCanceledException>(() => Inspect(LoraInitialization.Kaiming(), change: o => o.CancellationToken = cancelled.Token));
    }

    [TestMethod]
    public void TheReportIsJsonAndComesBack()
    {
        var report = Inspect(LoraInitialization.Pissa(), against: LoraInitialization.Kaiming());
        var json = JsonSerializer.Serialize(report);
        var back = JsonSerializer.Deserialize<InspectionReport>(json)!;
        Assert.AreEqual(json, JsonSerializer.Serialize(back));
        Assert.AreEqual(report.Total, back.Total);
        StringAssert.Contains(json, "\"Family\":\"BaseCorrected\"");
        Assert.IsTrue(report.Cost.Seconds > 0);
        Assert.IsNull(report.Cost.DeviceBytes, "no device on a CPU");
    }

    [TestMethod]
    public void TheSameSeedGivesTheSameReport()
    {
        var (first, second) = (Inspect(LoraInitialization.NonZero()), Inspect(LoraInitialization.NonZero()));
        Assert.AreEqual(first.Total, second.Total);
        Assert.AreEqual(first.OutputChange.MaxLogit, second.OutputChange.MaxLogit);
        Assert.AreNotEqual(first.Total, Inspect(LoraInitialization.NonZero(), change: o => o.Seed = 5).Total);
    }

    private static InspectionReport Inspect(
        LoraInitialization strategy, IDataView? data = null, LoraInitialization? against = null, Action<LoraTrainerOptions>? change = null) =>
        InitializationInspector.Inspect(new()
        {
            Training = Topics.Options(o =>
            {
                o.Initialization = strategy;
                change?.Invoke(o);
            }),
            Data = data,
            Against = against,
            ProbeRows = 16,
        });
}
