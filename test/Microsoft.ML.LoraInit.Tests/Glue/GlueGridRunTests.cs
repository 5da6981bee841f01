using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;
using Microsoft.ML.LoraInit.Tests.Samples;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Tests.Glue;

/// <summary>The <c>glue</c> verb end to end on the embedded model and a few made-up rows: two tasks, three strategies, two seeds.</summary>
[TestClass]
[DoNotParallelize]
public class GlueGridRunTests
{
    private static readonly TemporaryFolder Folder = new();
    private static string _whole = "";

    [ClassInitialize]
    public static async Task RunOnce(TestContext context)
    {
        _ = context;
        MadeUpGlue.Write(Folder.File("data"));
        _whole = Folder.File("whole");
        var run = await CommandLineRun.InProcess(Arguments(_whole));
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        StringAssert.Contains(run.Output, "12 runs finished");
    }

    [ClassCleanup]
    public static void Delete() => Folder.Dispose();

    [TestMethod]
    public void EveryRunIsRecordedWithItsEvidence()
    {
        var records = new RunStore(_whole).ReadAll();
        Assert.AreEqual(12, records.Count);
        foreach (var record in records)
        {
            Assert.AreEqual(RunStatus.Finished, record.Status, record.ExitReason);
            Assert.AreEqual(2, record.Epochs.Count);
            Assert.AreEqual(record.Config.Task == "cola" ? "matthews" : "accuracy", record.MetricName);
            Assert.AreEqual(record.Epochs.Max(e => e.Metrics[record.MetricName!]), record.Metric);
            Assert.IsTrue(record is { TrainableParameters: > 0, TotalParameters: > 5_000_000, TrainSamplesPerSecond: > 0, Memory.Process: > 0, Timings.Training: > 0 });
            Assert.AreEqual((48, 24), (record.Data!.TrainRows, record.Data.DevRows));
            StringAssert.Contains(record.Command, "--inits kaiming,pissa,inilora-alpha");
            Assert.IsFalse(record.Command!.Contains("--out", StringComparison.Ordinal));
        }
        // Factors of W's leading triplets are nearer to W than a product of zero; those of N(0, 0.5²) are not.
        var errors = records.GroupBy(r => r.Config.Initialization).ToDictionary(g => g.Key, g => g.Average(r => r.FactorizationError!.Value));
        Assert.IsTrue(errors["pissa"] < errors["kaiming"] && errors["kaiming"] < errors["inilora-alpha"]);
        Assert.IsFalse(Directory.EnumerateFileSystemEntries(Path.Combine(_whole, "work")).Any(), "checkpoints stayed");
        StringAssert.Contains(File.ReadAllText(Path.Combine(_whole, "report.md")), "inilora-alpha");
        Assert.IsTrue(File.Exists(Path.Combine(_whole, "report.html")));
        Assert.AreEqual(12, Directory.GetDirectories(Folder.File("boards")).Length);
    }

    [TestMethod]
    public async Task KilledAndStartedAgainItEndsTheSame()
    {
        var folder = Folder.File("killed");
        await GridProcess.KillInTheMiddle(folder, Arguments(folder, "--checkpoint-every", "1"), TimeSpan.FromMinutes(3));
        Assert.IsTrue(new RunStore(folder).ReadAll().Count < 12);
        var run = await CommandLineRun.InProcess(Arguments(folder, "--checkpoint-every", "1"));
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        AssertSameResults(folder);
        Assert.IsTrue(new RunStore(folder).ReadAll().Any(r => r.Attempts == 2), "no run was resumed");
    }

    [TestMethod]
    [TestCategory("Long")]
    public async Task ShardsMergedEqualTheWhole()
    {
        string[] shards = [Folder.File("shard0"), Folder.File("shard1")];
        for (var i = 0; i < 2; i++)
            Assert.AreEqual(ExitCodes.Success, (await CommandLineRun.ChildProcess(Arguments(shards[i], "--shard", $"{i}/2"))).ExitCode);
        Assert.IsTrue(shards.All(s => new RunStore(s).ReadAll().Count == 6));
        var merged = Folder.File("merged");
        Assert.AreEqual(ExitCodes.Success, (await CommandLineRun.InProcess("glue", "merge", shards[0], shards[1], "--out", merged)).ExitCode);
        AssertSameResults(merged);
        Assert.AreEqual(ExitCodes.Success, (await CommandLineRun.InProcess("glue", "report", merged)).ExitCode);
    }

    [TestMethod]
    public async Task SeveralRunsAtATimeEqualOneAfterTheOther()
    {
        var folder = Folder.File("parallel");
        Assert.AreEqual(ExitCodes.Success, (await CommandLineRun.ChildProcess(Arguments(folder, "--max-parallel", "2"))).ExitCode);
        AssertSameResults(folder);
        Assert.IsTrue(new RunStore(folder).ReadAll().All(r => r.Memory.RunsInParallel == 2));
    }

    [TestMethod]
    public void ARunIsWhatThePublicTrainerDoes()
    {
        var record = new RunStore(_whole).ReadAll().First(r => r.Config is { Task: "rte", Initialization: "pissa", Seed: 1 });
        var ml = new MLContext(seed: 0);
        var data = GlueTask.Rte.Load(ml, Folder.File("data"));
        torch.set_num_threads(1); // as the grid: sums of several threads round differently
        using var model = ml.MulticlassClassification.Trainers.LoraTextClassification(new LoraTextClassificationTrainer.Options
        {
            Text2ColumnName = "Text2",
            ValidationData = data.Validation,
            Initialization = LoraInitialization.Parse("pissa"),
            InitialLearningRate = 1e-3,
            MaxEpochs = 2,
            BatchSize = 16,
            Seed = 1,
        }).Fit(data.Train);
        CollectionAssert.AreEqual(record.Epochs.Select(e => e.TrainLoss).ToArray(), model.History.Epochs.Select(e => (double?)e.TrainLoss).ToArray());
        CollectionAssert.AreEqual(record.Epochs.Select(e => e.Metrics["accuracy"]).ToArray(), model.History.Epochs.Select(e => e.Metrics!.Accuracy!.Value).ToArray());
    }

    [TestMethod]
    public async Task OtherMethodsRanksAndDecaysAreTrained()
    {
        var folder = Folder.File("methods");
        var run = await CommandLineRun.InProcess(
            "glue", "--data-dir", Folder.File("data"), "--tasks", "cola", "--methods", "lora;head-only;pfeiffer:size=8,skip=2;lin:size=8", "--ranks", "4", "--alphas", "r", "--rank-pattern", "2..8",
            "--train-rows", "16,all", "--decay-biases", "true", "--max-grad-norm", "0", "--learning-rates", "1e-3", "--seeds", "0", "--epochs", "1", "--threads", "1", "--out", folder);
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        var records = new RunStore(folder).ReadAll();
        CollectionAssert.AreEquivalent(
            new[] { "head", "lin:size=8", "lora", "pfeiffer:size=8,skip=2" }, records.Where(r => r.Data!.TrainRows == 16).Select(r => r.Config.Method).ToArray());
        long Trained(string method) => records.First(r => r.Config.Method == method).TrainableParameters!.Value - records.First(r => r.Config.Method == "head").TrainableParameters!.Value;
        Assert.AreEqual(2 * (2 + 4 + 6 + 8) * (256 + 256), Trained("lora"), "ranks rise over four layers, on query and value");
        Assert.AreEqual(2 * (2 * 256 * 8 + 8 + 256), Trained("pfeiffer:size=8,skip=2"));
        Assert.AreEqual(4 * (2 * 256 * 8 + 8 + 256 + 2 * 256), Trained("lin:size=8"));
    }

    [TestMethod]
    public async Task AMissingTaskIsFoundBeforeAnyRun()
    {
        var folder = Folder.File("missing");
        var run = await CommandLineRun.InProcess("glue", "--data-dir", Folder.File("data"), "--tasks", "cola,sst2", "--out", folder);
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), "SST-2");
        Assert.IsFalse(Directory.Exists(folder));
    }

    [TestMethod]
    [DataRow("--rank 300 does not fit", "--ranks", "4,300")]
    [DataRow("\"nosuch\"", "--rank-pattern", "nosuch=4")]
    [DataRow("--checkpoint-every 0", "--checkpoint-every", "0")]
    [DataRow("MNLI", "--start", "rte=mnli")]
    [DataRow("same label", "--train-rows", "all,1")]
    [DataRow("--tensorboard", "--tensorboard", "/dev/null/boards")]
    public async Task WhatEveryRunWouldFailByIsFoundBeforeTheFirst(string expected, string option, string value)
    {
        var folder = Folder.File("refused");
        var run = await CommandLineRun.InProcess("glue", "--data-dir", Folder.File("data"), "--tasks", "cola,rte", option, value, "--out", folder);
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), expected);
        Assert.IsFalse(Directory.Exists(folder));
    }

    [TestMethod]
    public async Task AFailingRunIsRecordedAndTheOthersEnd()
    {
        var folder = Folder.File("failing");
        var run = await CommandLineRun.InProcess(
            "glue", "--data-dir", Folder.File("data"), "--tasks", "cola", "--inits", "kaiming", "--learning-rates", "1e-3,1e30", "--seeds", "0", "--epochs", "1", "--out", folder);
        Assert.AreEqual(ExitCodes.Failed, run.ExitCode);
        var records = new RunStore(folder).ReadAll();
        Assert.AreEqual(1, records.Count(r => r.Status == RunStatus.Finished));
        StringAssert.Contains(records.Single(r => r.Status == RunStatus.Failed).ExitReason, "TrainingDiverged");
    }

    [TestMethod]
    public async Task RatesAreSweptWithOneSeedAndTheReportSaysSo()
    {
        var folder = Folder.File("swept");
        string[] arguments =
        [
            "glue", "--data-dir", Folder.File("data"), "--tasks", "cola", "--learning-rates", "1e-3,1e-5", "--seeds", "0,1",
            "--epochs", "1", "--batch-size", "16", "--out", folder,
        ];
        var run = await CommandLineRun.InProcess([.. arguments, "--sweep-seeds", "1", "--time-budget", "60", "--run-time-limit", "30"]);
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        StringAssert.Contains(run.Output, "3 runs finished, 0 were there already, 0 failed.");
        var records = new RunStore(folder).ReadAll();
        CollectionAssert.AreEquivalent(new[] { 0, 0, 1 }, records.Select(r => r.Config.Seed).ToArray());
        StringAssert.Contains(File.ReadAllText(Path.Combine(folder, "report.md")), "The rates were swept with the first seed");
        Assert.IsTrue(records.All(r => r.Command!.Contains("--sweep-seeds 1", StringComparison.Ordinal) && !r.Command.Contains("budget", StringComparison.Ordinal)));

        File.WriteAllText(Folder.File("peft.json"), """[{"base": "roberta-mini-8k", "task": "CoLA", "init": "lora", "lr": 0.002, "seed": 0, "epochs": 8, "best": 0.051}]""");
        Assert.AreEqual(ExitCodes.Success, (await CommandLineRun.InProcess("glue", "report", folder, "--peers", Folder.File("peft.json"))).ExitCode);
        StringAssert.Contains(File.ReadAllText(Path.Combine(folder, "report.md")), "### Beside PEFT");
        foreach (var wrong in new[] { "--time-budget", "--run-time-limit", "--sweep-seeds" })
        {
            var refused = await CommandLineRun.InProcess([.. arguments, wrong, "0"]);
            Assert.AreEqual(ExitCodes.BadInput, refused.ExitCode, wrong);
            StringAssert.Contains(refused.Errors.Single(), wrong);
        }
    }

    private static string[] Arguments(string folder, params string[] more) =>
    [
        "glue", "--data-dir", Folder.File("data"), "--base-model", "mini", "--tasks", "cola,rte", "--inits", "kaiming,pissa,inilora-alpha",
        "--learning-rates", "1e-3", "--seeds", "0,1", "--epochs", "2", "--batch-size", "16", "--threads", "1", "--tensorboard", Folder.File("boards"), "--out", folder, .. more,
    ];

    private static void AssertSameResults(string folder) => CollectionAssert.AreEqual(GridProcess.Results(_whole), GridProcess.Results(folder));
}
