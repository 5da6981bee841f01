using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Report;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Tests.Glue;

[TestClass]
public class RunGridTests
{
    [TestMethod]
    public void CellsAreTheProductInAStableOrder()
    {
        var cells = RunGrid.Cells(TestRuns.Spec());
        CollectionAssert.AreEqual(
            new[] { "cola 0.001 0", "cola 0.001 1", "cola 0.0003 0", "cola 0.0003 1", "rte 0.001 0", "rte 0.001 1", "rte 0.0003 0", "rte 0.0003 1" },
            cells.Select(c => FormattableString.Invariant($"{c.Task} {c.LearningRate} {c.Seed}")).ToArray());
        Assert.AreEqual(cells.Count, cells.Select(c => c.Name()).Distinct().Count());
    }

    [TestMethod]
    public void MethodsWithoutAdaptersAreOneRowWhateverTheRanks()
    {
        var cells = RunGrid.Cells(TestRuns.Spec("cola") with { Methods = ["lora", "full"], Ranks = [4, 8], LearningRates = [1e-3], Seeds = [0] });
        CollectionAssert.AreEqual(new[] { "lora 4", "lora 8", "full 0" }, cells.Select(c => $"{c.Method} {c.Rank}").ToArray());
    }

    [TestMethod]
    public void ARunThatFusesModelsIsKnownByTheirContents()
    {
        using var folder = new TemporaryFolder();
        RunConfig Cell() => RunGrid.Cells(TestRuns.Spec("cola") with { Methods = [$"fusion:sources={folder.File("a.mlnet")}+{folder.File("b.mlnet")}"], LearningRates = [1e-3], Seeds = [0] }).Single();
        File.WriteAllText(folder.File("a.mlnet"), "one");
        StringAssert.Contains(Assert.ThrowsExactly<UsageException>(Cell).Message, "b.mlnet");
        File.WriteAllText(folder.File("b.mlnet"), "two");
        var before = Cell();
        Assert.AreEqual(before, Cell());
        File.WriteAllText(folder.File("b.mlnet"), "three");
        Assert.AreNotEqual(before.Name(), Cell().Name());
        Assert.IsNull(RunGrid.Cells(TestRuns.Spec("cola"))[0].MethodSources);
    }

    [TestMethod]
    public void WhatDoesNotGoTogetherIsLeftOutOfTheGrid()
    {
        var spec = TestRuns.Spec("cola") with
        {
            Methods = ["lora", "kasa", "melora", "galore"],
            Initializations = [LoraInitialization.Kaiming(), LoraInitialization.Pissa()],
            LearningRates = [1e-3],
            Seeds = [0],
        };
        CollectionAssert.AreEqual(
            new[] { "lora kaiming", "lora pissa", "kasa kaiming", "melora kaiming", "galore none" },
            RunGrid.Cells(spec).Select(c => $"{c.Method} {c.Initialization}").ToArray());

        var nothing = Assert.ThrowsExactly<UsageException>(() => RunGrid.Cells(spec with { Initializations = [LoraInitialization.Pissa()] }));
        StringAssert.Contains(nothing.Message, "'kasa' goes with none of the initialisations pissa");
    }

    [TestMethod]
    public void ShardsPartitionTheGrid()
    {
        var cells = RunGrid.Cells(TestRuns.Spec() with { Seeds = [0, 1, 2] });
        var parts = Enumerable.Range(0, 5).SelectMany(i => new Shard(i, 5).Of(cells)).ToList();
        Assert.AreEqual(cells.Count, parts.Count);
        CollectionAssert.AreEquivalent(cells.ToList(), parts);
    }

    [TestMethod]
    [DataRow("2/5", "", 2, 5)]
    [DataRow("auto", "", 0, 1)]
    [DataRow("auto", "SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_COUNT=8 SLURM_ARRAY_TASK_MIN=0", 3, 8)]
    [DataRow("auto", "SLURM_ARRAY_TASK_ID=10 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=4 SLURM_ARRAY_TASK_STEP=3", 2, 4)]
    [DataRow("auto", "JOB_COMPLETION_INDEX=6 JOB_COMPLETIONS=7", 6, 7)]
    [DataRow("0/1", "SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_COUNT=8", 0, 1)]
    public void ShardsAreReadFromTextAndEnvironment(string text, string environment, int index, int count) =>
        Assert.AreEqual(new Shard(index, count), Shard.Resolve(text, Variables(environment)));

    [TestMethod]
    [DataRow("2/2", "", "from 0 to 1")]
    [DataRow("-1/2", "", "i/n")]
    [DataRow("x", "", "i/n")]
    [DataRow("0/0", "", "0 of 0")]
    [DataRow("auto", "JOB_COMPLETION_INDEX=1", "JOB_COMPLETIONS")]
    [DataRow("auto", "SLURM_ARRAY_TASK_ID=1", "SLURM_ARRAY_TASK_COUNT")]
    [DataRow("auto", "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_MIN=4 SLURM_ARRAY_TASK_STEP=3", "steps of 3")]
    public void WrongShardsAreRefused(string text, string environment, string expected)
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() => Shard.Resolve(text, Variables(environment)));
        StringAssert.Contains(error.Message, expected);
    }

    [TestMethod]
    public void EpochsMayDifferByTask()
    {
        var epochs = PerTask.ParseCounts("--epochs", "8, sst2=2", t => t);
        Assert.AreEqual(8, epochs.For("cola"));
        Assert.AreEqual(2, epochs.For("sst2"));
        foreach (var wrong in new[] { "sst2=2", "0", "8,9", "8,sst2=x" })
            Assert.ThrowsExactly<ArgumentException>(() => PerTask.ParseCounts("--epochs", wrong, t => t), wrong);
    }

    [TestMethod]
    public void AlphasMayFollowTheRank()
    {
        var cells = RunGrid.Cells(TestRuns.Spec("cola") with { Ranks = [4, 16], Alphas = [AlphaRule.Parse("r"), AlphaRule.Parse("2r")], LearningRates = [1e-3], Seeds = [0] });
        CollectionAssert.AreEqual(new[] { "4 4", "4 8", "16 16", "16 32" }, cells.Select(c => FormattableString.Invariant($"{c.Rank} {c.Alpha}")).ToArray());
        Assert.AreEqual(16, AlphaRule.Parse("16").For(4));
        foreach (var wrong in new[] { "x", "0", "-1r", "rr" })
            Assert.ThrowsExactly<ArgumentException>(() => AlphaRule.Parse(wrong), wrong);
    }

    [TestMethod]
    public void RatesMayDifferByTask()
    {
        var rates = PerTask.ParseRates("--learning-rates", "1e-3,5e-4,rte=1e-4/2e-4", t => t);
        var plan = RunGrid.Plan(TestRuns.Spec() with { LearningRates = rates.For(""), TaskRates = rates });
        CollectionAssert.AreEqual(new[] { 1e-3, 5e-4, 1e-4, 2e-4 }, RunGrid.Cells(plan).Where(c => c.Seed == 0).Select(c => c.LearningRate).ToArray());
        Assert.AreEqual(RunGrid.Cells(plan).Count, plan.Count);
        foreach (var wrong in new[] { "rte=1e-3", "0", "x" })
            Assert.ThrowsExactly<ArgumentException>(() => PerTask.ParseRates("--learning-rates", wrong, t => t), wrong);
    }

    [TestMethod]
    public void SeveralNumbersOfRowsAreRowsOfTheirOwnEachWithItsReference()
    {
        var plan = RunGrid.Plan(TestRuns.Spec("cola") with { Initializations = [LoraInitialization.Kaiming(), LoraInitialization.Pissa()], TrainRows = [100, null], LearningRates = [1e-3] });
        var runs = RunGrid.Cells(plan).Select(c => TestRuns.Finished(c, 0.5 + (c.TrainRows is null ? 0.2 : 0) + (c.Initialization == "pissa" ? 0.01 : 0))).ToArray();
        var rows = ReportBuilder.Build(runs).Sections.Single().Rows;
        CollectionAssert.AreEquivalent(
            new[] { "kaiming (train rows=100)", "kaiming (train rows=all)", "pissa (train rows=100)", "pissa (train rows=all)" }, rows.Select(r => r.Label).ToArray());
        Assert.AreEqual(2, rows.Count(r => r.IsReference));
        Assert.IsTrue(rows.Where(r => !r.IsReference).All(r => Math.Abs(r.Difference!.Value.Mean - 0.01) < 1e-12));
    }

    [TestMethod]
    public void AStartIsTheRunOfAnotherTaskOrAFolder()
    {
        var plan = RunGrid.Plan(TestRuns.Spec("mrpc", "rte", "cola") with { Start = PerTask.ParseNames("--start", "mrpc=mnli,rte=/adapter", t => t), Methods = ["lora", "full"] });
        var start = plan.Groups.Single(g => g is { Task: "mrpc", Method: "lora" }).Start!;
        Assert.AreEqual(("mnli", "kaiming", 1e-3, 0), (plan.Starts![start].Task, plan.Starts[start].Initialization, plan.Starts[start].LearningRate, plan.Starts[start].Seed));
        Assert.AreEqual("/adapter", plan.Groups.Single(g => g is { Task: "rte", Method: "lora" }).Start);
        Assert.IsTrue(plan.Groups.Where(g => g.Task == "cola" || g.Method == "full").All(g => g.Start is null));
    }

    [TestMethod]
    public void RunsThatUseNothingNewKeepTheirNames() =>
        Assert.AreEqual("cola-lora-kaiming-r8-lr1e-3-s0-98cebc416a39", TestRuns.Config().Name());

    [TestMethod]
    public void EverySettingChangesTheName()
    {
        var config = TestRuns.Config();
        RunConfig[] others =
        [
            config with { Task = "rte" }, config with { BaseModel = "x" }, config with { BaseModelSha256 = "x" }, config with { Precision = "bfloat16" }, config with { Method = "dora" }, config with { Initialization = "gaussian" },
            config with { InitializationSettings = new() { ["x"] = 1 } }, config with { Rank = 4 }, config with { Alpha = 8 }, config with { LearningRate = 2e-3 },
            config with { Seed = 1 }, config with { Epochs = 4 }, config with { BatchSize = 16 }, config with { WarmupRatio = 0 },
            config with { WeightDecay = 0 }, config with { MaxLength = 128 }, config with { TrainRows = 10 }, config with { DevRows = 10 },
            config with { RankPattern = "2..8" }, config with { DecayBiases = true }, config with { MaxGradientNorm = 0 }, config with { Start = "x" }, config with { MethodSources = "x" },
        ];
        Assert.AreEqual(typeof(RunConfig).GetProperties().Length, others.Length, "a setting is not tested");
        Assert.AreEqual(others.Length + 1, others.Append(config).Select(c => c.Name()).Distinct().Count());
    }

    [TestMethod]
    public void EveryInitialisationsLabelReadsBackAsItself()
    {
        foreach (var name in LoraInitialization.Names)
            Assert.AreEqual(LoraInitialization.Parse(name), LoraInitialization.Parse(InitializationText.Label(LoraInitialization.Parse(name))));
        var changed = LoraInitialization.Parse("pissa:iterations=16");
        Assert.AreEqual("pissa:iterations=16", InitializationText.Label(changed));
        Assert.AreEqual(changed, LoraInitialization.Parse(InitializationText.Label(changed)));
        var without = LoraInitialization.Parse("inilora:fitSeed=null");
        Assert.AreEqual(without, LoraInitialization.Parse(InitializationText.Label(without)));
    }

    [TestMethod]
    public void ASettingOfSeveralValuesIsSeveralStrategies()
    {
        CollectionAssert.AreEqual(
            new[] { "hrp:rank=16,side=a", "hrp:rank=16,side=b", "hrp:rank=32,side=a", "hrp:rank=32,side=b" }.Select(LoraInitialization.Parse).ToArray(),
            InitializationText.Expand("hrp:rank=16|32,side=a|b").ToArray());
        CollectionAssert.AreEqual(new[] { LoraInitialization.Kaiming() }, InitializationText.Expand("kaiming").ToArray());
        Assert.ThrowsExactly<ArgumentException>(() => InitializationText.Expand("hrp:rank"));
    }

    [TestMethod]
    public void TextsOfAGridHaveSettingsOfSeveralValuesAndOneSpellingOfAMethod()
    {
        GridSpec Read(string name, string value) => GridText.Read(new Dictionary<string, string?> { [name] = value }, TestRuns.Spec("cola"));
        CollectionAssert.AreEqual(LoraInitialization.Published.ToArray(), Read("inits", "all").Initializations.ToArray());
        Assert.AreEqual(3, Read("inits", "hrp:rank=16|32;kaiming").Initializations.Count);
        CollectionAssert.AreEqual(new[] { "lora:freeze=a", "dora", "pfeiffer:size=16", "head" }, Read("methods", "lora:bias=none,freeze=A;dora;pfeiffer:skip=0,size=16;head-only").Methods.ToArray());
        Assert.ThrowsExactly<ArgumentException>(() => Read("methods", "lora:freeze=c"));
    }

    private static Func<string, string?> Variables(string text)
    {
        var values = text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split('=')).ToDictionary(p => p[0], p => p[1]);
        return name => values.GetValueOrDefault(name);
    }
}
