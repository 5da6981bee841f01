using System.Text.Json;
using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Tests.Glue;

[TestClass]
public class RunStoreTests
{
    private string _folder = "";

    [TestInitialize]
    public void Create() => _folder = TestRuns.NewFolder();

    [TestCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void RecordsComeBackAsWritten()
    {
        var store = new RunStore(_folder);
        var record = TestRuns.Finished(TestRuns.Config(), 0.5, double.NaN, 0.75) with { Metric = double.NaN };
        store.Write(record);
        var read = store.Find(record.Config)!;
        Assert.AreEqual(JsonSerializer.Serialize(record, RunJson.Options), JsonSerializer.Serialize(read, RunJson.Options));
        Assert.AreEqual(record.Config, read.Config);
        Assert.IsTrue(double.IsNaN(read.Metric!.Value));
        Assert.AreEqual(1, Directory.GetFiles(store.RunsDirectory).Length, "a temporary file stayed");
    }

    [TestMethod]
    public void TheFileSpeaksSnakeCase()
    {
        var store = new RunStore(_folder);
        store.Write(TestRuns.Finished(TestRuns.Config(), 0.5));
        using var json = JsonDocument.Parse(File.ReadAllText(store.PathOf(TestRuns.Config())));
        Assert.AreEqual(0.001, json.RootElement.GetProperty("config").GetProperty("learning_rate").GetDouble());
        Assert.AreEqual("finished", json.RootElement.GetProperty("status").GetString());
        Assert.IsTrue(json.RootElement.GetProperty("environment").GetProperty("dot_net").GetString()!.StartsWith(".NET", StringComparison.Ordinal));
    }

    [TestMethod]
    [DataRow("", "not a run file")]
    [DataRow("{", "not a run file")]
    [DataRow("null", "empty")]
    [DataRow("{\"format\":1,\"surprise\":2}", "not a run file")]
    public void BrokenFilesAreRefusedByPath(string text, string expected)
    {
        var store = new RunStore(_folder);
        Directory.CreateDirectory(store.RunsDirectory);
        var path = store.PathOf(TestRuns.Config());
        File.WriteAllText(path, text);
        var error = Assert.ThrowsExactly<RunFileException>(() => store.Find(TestRuns.Config()));
        StringAssert.StartsWith(error.Message, path);
        StringAssert.Contains(error.Message, expected);
    }

    [TestMethod]
    public void NewerFormatsAndForeignContentsAreRefused()
    {
        var store = new RunStore(_folder);
        var newer = TestRuns.Finished(TestRuns.Config(), 0.5) with { Format = RunRecord.CurrentFormat + 1 };
        store.Write(newer);
        StringAssert.Contains(Assert.ThrowsExactly<RunFileException>(() => store.Find(newer.Config)).Message, "format 2");

        store.Write(TestRuns.Finished(TestRuns.Config(seed: 1), 0.5));
        File.Copy(store.PathOf(TestRuns.Config(seed: 1)), store.PathOf(TestRuns.Config(seed: 2)));
        StringAssert.Contains(Assert.ThrowsExactly<RunFileException>(() => store.Find(TestRuns.Config(seed: 2))).Message, "another run");
    }

    [TestMethod]
    public void ACopyOfARecordIsNamedRatherThanCountedTwice()
    {
        var store = new RunStore(_folder);
        store.Write(TestRuns.Finished(TestRuns.Config(), 0.5));
        File.Copy(store.PathOf(TestRuns.Config()), Path.Combine(store.RunsDirectory, "z copy.json"));
        StringAssert.Contains(Assert.ThrowsExactly<RunFileException>(store.ReadAll).Message, "z copy.json and ");
    }

    [TestMethod]
    public void AShardThatHasEndedNoRunYetMergesWithTheOthers()
    {
        var (begun, a) = (new RunStore(Path.Combine(_folder, "begun")), new RunStore(Path.Combine(_folder, "a")));
        begun.Write(RunGrid.Plan(TestRuns.Spec()));
        a.Write(TestRuns.Finished(TestRuns.Config(), 0.5));
        Assert.AreEqual(1, RunMerge.Merge([begun.Directory, a.Directory], Path.Combine(_folder, "all")));
        Assert.AreEqual(1, new RunStore(Path.Combine(_folder, "all")).ReadPlans().Count);
    }

    [TestMethod]
    public void MergeJoinsShardsAndPrefersFinishedRuns()
    {
        var a = new RunStore(Path.Combine(_folder, "a"));
        var b = new RunStore(Path.Combine(_folder, "b"));
        a.Write(TestRuns.Finished(TestRuns.Config(seed: 0), 0.5));
        a.Write(TestRuns.Failed(TestRuns.Config(seed: 1)));
        b.Write(TestRuns.Finished(TestRuns.Config(seed: 1), 0.6));
        b.Write(TestRuns.Finished(TestRuns.Config(seed: 0), 0.5) with { Timings = new() { Total = 99 } });
        b.Write(TestRuns.Finished(TestRuns.Config(seed: 2), 0.7));
        var target = Path.Combine(_folder, "all");
        Assert.AreEqual(3, RunMerge.Merge([a.Directory, b.Directory], target));
        var merged = new RunStore(target).ReadAll();
        Assert.IsTrue(merged.All(r => r.Status == RunStatus.Finished));
        Assert.AreEqual(13, new RunStore(target).Find(TestRuns.Config(seed: 0))!.Timings.Total, "the first of two equal results stays");
    }

    [TestMethod]
    public void MergeRefusesContradictionsBeforeItWrites()
    {
        var a = new RunStore(Path.Combine(_folder, "a"));
        var b = new RunStore(Path.Combine(_folder, "b"));
        a.Write(TestRuns.Finished(TestRuns.Config(), 0.5));
        b.Write(TestRuns.Finished(TestRuns.Config(), 0.6));
        var target = Path.Combine(_folder, "all");
        var error = Assert.ThrowsExactly<RunFileException>(() => RunMerge.Merge([a.Directory, b.Directory], target));
        StringAssert.Contains(error.Message, a.PathOf(TestRuns.Config()));
        StringAssert.Contains(error.Message, b.PathOf(TestRuns.Config()));
        Assert.IsFalse(Directory.Exists(target));
        StringAssert.Contains(
            Assert.ThrowsExactly<RunFileException>(() => RunMerge.Merge([Path.Combine(_folder, "nowhere")], target)).Message, "does not exist");
    }
}
