using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;

namespace Microsoft.ML.LoraInit.Tests.Adapters;

[TestClass]
public sealed class AdapterPlannerTests
{
    private static readonly string[] LayerParts =
        ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "intermediate.dense", "output.dense"];

    [TestMethod]
    [DataRow("query", "attention.self.query")]
    [DataRow("query,value", "attention.self.query,attention.self.value")]
    [DataRow("self.key", "attention.self.key")]
    [DataRow("dense", "attention.output.dense,intermediate.dense,output.dense")]
    [DataRow("output.dense", "attention.output.dense,output.dense")]
    [DataRow("attention.output.dense", "attention.output.dense")]
    [DataRow("all-linear", "attention.self.query,attention.self.key,attention.self.value,attention.output.dense,intermediate.dense,output.dense")]
    [DataRow("/.*\\.(query|key)/", "attention.self.query,attention.self.key")]
    [DataRow("/roberta\\.encoder\\.layer\\.\\d+\\.intermediate\\.dense/", "intermediate.dense")]
    public void TargetModulesChooseAsPeftDoes(string targets, string parts)
    {
        var plan = AdapterPlanner.Plan(new AdapterSettings { Rank = 2, TargetModules = TargetModules.Parse(targets) }, TinyModel.Config);

        var expected = from layer in Enumerable.Range(0, TinyModel.Config.Layers)
                       from part in LayerParts.Intersect(parts.Split(','))
                       select $"roberta.encoder.layer.{layer}.{part}";
        CollectionAssert.AreEqual(expected.ToArray(), plan.Select(t => t.ModuleName).ToArray());
    }

    [TestMethod]
    public void ExcludedModulesGetNoAdapter()
    {
        var plan = Plan(new() { TargetModules = TargetModules.AllLinear, ExcludeModules = TargetModules.Named("dense", "layer.0.attention.self.key") });
        Assert.AreEqual((3 * 3) - 1, plan.Count);
        Assert.IsFalse(plan.Any(t => t.ModuleName.EndsWith("dense", StringComparison.Ordinal)));
        StringAssert.Contains(Refused(new() { ExcludeModules = TargetModules.Named("classifier") }), "ExcludeModules = classifier excludes no linear layer");
        StringAssert.Contains(Refused(new() { ExcludeModules = TargetModules.QueryValue }), "without ExcludeModules = query,value chooses no linear layer");
    }

    [TestMethod]
    public void AFullNameChoosesOneLayer()
    {
        var plan = Plan(new() { TargetModules = TargetModules.Named("roberta.encoder.layer.1.output.dense") });
        var target = plan.Single();
        Assert.AreEqual((32, 16), (target.InFeatures, target.OutFeatures));
    }

    [TestMethod]
    [DataRow("uery")]
    [DataRow("/query/")]
    [DataRow("/.*layer\\.0\\.attention/")]
    [DataRow("classifier.dense")]
    public void WhatChoosesNothingIsRefusedWithTheNames(string targets)
    {
        var error = Refused(new() { TargetModules = TargetModules.Parse(targets) });
        StringAssert.Contains(error, "TargetModules");
        StringAssert.Contains(error, "roberta.encoder.layer.0.attention.self.query");
    }

    [TestMethod]
    public void TheLayersOfAConfigurationAreThoseOfTheModel()
    {
        using var model = TinyModel.Create();
        CollectionAssert.AreEqual(model.Linears.Select(l => (l.Name, (int)l.OutFeatures, (int)l.InFeatures)).ToArray(), AdapterPlanner.Modules(TinyModel.Config).ToArray());
    }

    [TestMethod]
    [DataRow(8, 16.0, false, 2.0)]
    [DataRow(4, 6.0, false, 1.5)]
    [DataRow(4, 8.0, true, 4.0)]
    [DataRow(16, 8.0, true, 2.0)]
    public void ScalingIsAlphaOverRankOrItsRoot(int rank, double alpha, bool stabilized, double scaling)
    {
        var plan = Plan(new() { Rank = rank, Alpha = alpha, RankStabilized = stabilized });
        Assert.AreNotEqual(0, plan.Count);
        foreach (var target in plan)
            Assert.AreEqual(scaling, target.Scaling, 1e-12, target.ModuleName);
    }

    [TestMethod]
    public void TheFirstMatchingPatternCounts()
    {
        var plan = Plan(new()
        {
            Rank = 8,
            Alpha = 16,
            RankPattern = new Dictionary<string, int> { ["layer.1.attention.self.query"] = 2, ["query"] = 4, [@"layer\.[12]\.attention\.self\.(query|value)"] = 6 },
            AlphaPattern = new Dictionary<string, double> { ["value"] = 32 },
        });
        (int, double) Of(int layer, string part) => plan.Where(t => t.ModuleName == $"roberta.encoder.layer.{layer}.attention.self.{part}").Select(t => (t.Rank, t.Alpha)).Single();

        Assert.AreEqual((4, 16.0), Of(0, "query"));
        Assert.AreEqual((2, 16.0), Of(1, "query"));
        Assert.AreEqual((4, 16.0), Of(2, "query"));
        Assert.AreEqual((8, 32.0), Of(0, "value"));
        Assert.AreEqual((6, 32.0), Of(1, "value"));
        Assert.AreEqual((6, 32.0), Of(2, "value"));
    }

    [TestMethod]
    public void APatternIsAWholeEndOfAName()
    {
        var error = Refused(new() { RankPattern = new Dictionary<string, int> { ["uery"] = 2 } });
        StringAssert.Contains(error, "RankPattern");
        StringAssert.Contains(error, "\"uery\"");
    }

    [TestMethod]
    public void LayersToTransformChoosesByIndex()
    {
        var plan = Plan(new() { LayersToTransform = [2, 0], TargetModules = TargetModules.Named("query") });
        CollectionAssert.AreEqual(new[] { "roberta.encoder.layer.0.attention.self.query", "roberta.encoder.layer.2.attention.self.query" }, plan.Select(t => t.ModuleName).ToArray());
    }

    [TestMethod]
    public void SettingsOutOfRangeAreRefusedByName()
    {
        StringAssert.Contains(Refused(new() { Rank = 0 }), "Rank = 0");
        StringAssert.Contains(Refused(new() { Rank = -3 }), "Rank = -3");
        var large = Refused(new() { Rank = 17 });
        StringAssert.Contains(large, "Rank = 17");
        StringAssert.Contains(large, "roberta.encoder.layer.0.attention.self.query");
        StringAssert.Contains(large, "1 to 16");
        var pattern = Refused(new() { RankPattern = new Dictionary<string, int> { ["layer.1.attention.self.value"] = 40 } });
        StringAssert.Contains(pattern, "RankPattern[\"layer.1.attention.self.value\"] = 40");
        StringAssert.Contains(pattern, "roberta.encoder.layer.1.attention.self.value");
        StringAssert.Contains(Refused(new() { RankPattern = new Dictionary<string, int> { ["query"] = 0 } }), "RankPattern[\"query\"] = 0");
        StringAssert.Contains(Refused(new() { RankPattern = new Dictionary<string, int> { ["(query"] = 2 } }), "(query");
        StringAssert.Contains(Refused(new() { AlphaPattern = new Dictionary<string, double> { ["key"] = 2 } }), "AlphaPattern");
        StringAssert.Contains(Refused(new() { AlphaPattern = new Dictionary<string, double> { ["query"] = 0 } }), "AlphaPattern[\"query\"] = 0");
        StringAssert.Contains(Refused(new() { Alpha = double.NaN }), "Alpha = NaN");
        StringAssert.Contains(Refused(new() { Alpha = 0 }), "Alpha = 0");
        StringAssert.Contains(Refused(new() { Dropout = 1 }), "LoraDropout = 1");
        StringAssert.Contains(Refused(new() { Dropout = double.NaN }), "LoraDropout");
        StringAssert.Contains(Refused(new() { LayersToTransform = [3] }), "layer 3");
        StringAssert.Contains(Refused(new() { LayersToTransform = [-1] }), "layers 0 to 2");
        StringAssert.Contains(Refused(new() { LayersToTransform = [] }), "LayersToTransform is empty");
    }

    [TestMethod]
    public void LoraOnQueryAndValueOfRobertaBaseHas294912Parameters()
    {
        Assert.AreEqual(294_912, Count(StateDictTests.Published["roberta-base"]));
        Assert.AreEqual(786_432, Count(StateDictTests.Published["roberta-large"]));

        static int Count(RobertaConfig config) => AdapterPlanner.Plan(new AdapterSettings(), config).Sum(t => t.Rank * (t.InFeatures + t.OutFeatures));
    }

    private static IReadOnlyList<AdapterTarget> Plan(AdapterSettings settings) => AdapterPlanner.Plan(settings, TinyModel.Config);

    private static string Refused(AdapterSettings settings) => Assert.ThrowsExactly<ArgumentException>(() => Plan(settings)).Message;
}
