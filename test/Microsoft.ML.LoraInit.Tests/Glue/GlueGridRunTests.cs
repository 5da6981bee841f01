using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;
using Microsoft.ML.LoraInit.Tests.Samples;

namespace Microsoft.ML.LoraInit.Tests.Glue;

/// <summary>The <c>glue</c> verb end to end on the embedded model and a few made-up rows: two tasks, three strategies, two seeds.</summary>
[TestClass]
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

    [ClassCleanup(ClassCleanupBehavior.EndOfClass)]
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
        Assert.IsFalse(Directory.EnumerateFileSystemEntries(Path.Combine(_whole, "work")).Any(), "checkpoints stayed");
        StringAssert.Contains(File.ReadAllText(Path.Combine(_whole, "report.md")), "inilora-alpha");
        Assert.IsTrue(File.Exists(Path.Combine(_whole, "report.html")));
        Assert.AreEqual(12, Directory.GetDirectories(Folder.File("boards")).Length);
    }

    private static bool InTheMiddle(string runs, string work)
    {
        try
        {
            return Directory.Exists(runs) && Directory.GetFiles(runs, "*.json").Length >= 3 && Directory.Exists(work)
                && Directory.GetDirectories(work, "checkpoint", SearchOption.AllDirectories).Any(d => Directory.EnumerateFiles(d).Any());
        }
        catch (DirectoryNotFoundException)
        {
            // A run ended, and its checkpoints went, while they were being listed.
            return false;
        }
    }

    [TestMethod]
    public async Task KilledAndStartedAgainItEndsTheSame()
    {
        var folder = Folder.File("killed");
        using (var process = Start(folder, "--checkpoint-every", "1"))
        {
            var runs = Path.Combine(folder, "runs");
            var patience = Stopwatch.StartNew();
            // In the middle: some runs have ended, and one is between its first checkpoint and its end.
            while (!InTheMiddle(runs, Path.Combine(folder, "work")))
            {
                Assert.IsFalse(process.HasExited, "it ended before it could be killed");
                Assert.IsTrue(patience.Elapsed < TimeSpan.FromMinutes(3), "it does not get on");
                await Task.Delay(5);
            }
            process.Kill();
            await process.WaitForExitAsync();
        }
        Assert.IsTrue(new RunStore(folder).ReadAll().Count < 12);
        var run = await CommandLineRun.InProcess(Arguments(folder, "--checkpoint-every", "1"));
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        AssertSameResults(folder);
        Assert.IsTrue(new RunStore(folder).ReadAll().Any(r => r.Attempts == 2), "no run was resumed");
    }

    [TestMethod]
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
    public async Task AMissingTaskIsFoundBeforeAnyRun()
    {
        var folder = Folder.File("missing");
        var run = await CommandLineRun.InProcess("glue", "--data-dir", Folder.File("data"), "--tasks", "cola,sst2", "--out", folder);
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), "SST-2");
        Assert.IsFalse(Directory.Exists(folder));
    }

    [TestMethod]
    public async Task AFailingRunIsRecordedAndTheOthersEnd()
    {
        var folder = Folder.File("failing");
        var run = await CommandLineRun.InProcess(
            "glue", "--data-dir", Folder.File("data"), "--tasks", "cola", "--inits", "kaiming", "--ranks", "4,100000", "--learning-rates", "1e-3", "--seeds", "0", "--epochs", "1", "--out", folder);
        Assert.AreEqual(ExitCodes.Failed, run.ExitCode);
        var records = new RunStore(folder).ReadAll();
        Assert.AreEqual(1, records.Count(r => r.Status == RunStatus.Finished));
        StringAssert.Contains(records.Single(r => r.Status == RunStatus.Failed).ExitReason, "100000");
    }

    [TestMethod]
    [TestCategory("Long")]
    public async Task ShardsOfRealTasksMergedEqualTheWhole()
    {
        string[] Of(string folder, params string[] more) =>
        [
            "glue", "--data-dir", ParityData.RequireShared("glue"), "--tasks", "rte,stsb", "--inits", "kaiming,pissa", "--learning-rates", "1e-3", "--seeds", "0,1",
            "--epochs", "2", "--train-rows", "640", "--out", Folder.File(folder), .. more,
        ];
        var whole = CommandLineRun.ChildProcess(Of("long-whole"));
        Assert.AreEqual(ExitCodes.Success, (await whole).ExitCode);
        var shards = await Task.WhenAll(CommandLineRun.ChildProcess(Of("long0", "--shard", "0/2")), CommandLineRun.ChildProcess(Of("long1", "--shard", "1/2")));
        Assert.IsTrue(shards.All(s => s.ExitCode == ExitCodes.Success));
        RunMerge.Merge([Folder.File("long0"), Folder.File("long1")], Folder.File("long-merged"));
        CollectionAssert.AreEqual(Results(Folder.File("long-whole")), Results(Folder.File("long-merged")));
    }

    private static string[] Arguments(string folder, params string[] more) =>
    [
        "glue", "--data-dir", Folder.File("data"), "--base-model", "mini", "--tasks", "cola,rte", "--inits", "kaiming,pissa,inilora-alpha",
        "--learning-rates", "1e-3", "--seeds", "0,1", "--epochs", "2", "--batch-size", "16", "--threads", "1", "--tensorboard", Folder.File("boards"), "--out", folder, .. more,
    ];

    private static Process Start(string folder, params string[] more)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "lorainit.dll"), .. Arguments(folder, more)]) { RedirectStandardOutput = true };
        var process = Process.Start(start)!;
        process.BeginOutputReadLine();
        return process;
    }

    private static void AssertSameResults(string folder) => CollectionAssert.AreEqual(Results(_whole), Results(folder));

    // All that a run learned, to the last bit; not how long it took.
    private static string[] Results(string folder) =>
        [.. new RunStore(folder).ReadAll().Select(r => JsonSerializer.Serialize(new { r.Config, r.Metric, r.BestEpoch, r.Epochs }, RunJson.Options))];
}
