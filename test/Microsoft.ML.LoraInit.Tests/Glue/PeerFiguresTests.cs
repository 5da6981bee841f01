using Microsoft.ML.LoraInit.Samples.Glue.Report;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Tests.Glue;

[TestClass]
public class PeerFiguresTests
{
    private static readonly TemporaryFolder Folder = new();

    [ClassCleanup]
    public static void Delete() => Folder.Dispose();

    [TestMethod]
    public void PeersStandBesideTheSameBaseTaskMethodAndRank()
    {
        var peers = PeerFigures.Read([Write("peers.json", """
            [
             {"base": "medium", "task": "CoLA", "init": "lora", "lr": 0.001, "seed": 0, "epochs": 6, "best": 0.1837, "hist": [0.0, 0.1837], "train_sps": 1551},
             {"base": "medium", "task": "CoLA", "init": "lora", "lr": 0.001, "seed": 1, "epochs": 6, "best": 0.2, "hist": []},
             {"base": "medium", "task": "CoLA", "init": "lora", "lr": 0.01, "seed": 0, "epochs": 6, "best": 0.0, "hist": []},
             {"base": "medium", "task": "CoLA", "init": "ft", "lr": 0.0001, "seed": 0, "epochs": 4, "best": 0.2305},
             {"base": "medium", "task": "QNLI-10k", "init": "pissa", "lr": 0.001, "seed": 0, "epochs": 3, "best": 0.7}
            ]
            """)]);
        var config = TestRuns.Config() with { BaseModel = "roberta-medium-8k" };
        var cell = peers.For(config, null)!;
        Assert.AreEqual((1e-3, 2, 6), (cell.Rate, cell.Spread.Count, cell.Epochs));
        Assert.AreEqual((0.1837 + 0.2) / 2, cell.Spread.Mean, 1e-12);
        Assert.AreEqual(0.2305, peers.For(config with { Method = "full", Initialization = Methods.NoInitialization, Rank = 0 }, null)!.Spread.Mean);
        foreach (var other in new[] { config with { BaseModel = "mini" }, config with { Rank = 4 }, config with { Task = "rte" }, config with { Initialization = "pissa" }, config with { Method = "dora" }, config with { TrainRows = 10 } })
            Assert.IsNull(peers.For(other, null), other.ToString());
        var qnli = config with { Task = "qnli", Initialization = "pissa" };
        Assert.IsNotNull(peers.For(qnli, new("/data/QNLI/train_10k.tsv", 9999, "dev.tsv", 5463)));
        Assert.IsNull(peers.For(qnli, new("/data/QNLI/train.tsv", 104743, "dev.tsv", 5463)));
    }

    [TestMethod]
    public void TheTableHasAColumnForPeftATask()
    {
        var runs = PlausibleRuns.Make("mini", ["cola", "rte"], ["kaiming", "pissa"], [1e-3], [0, 1, 2, 3, 4], 2);
        var peers = PeerFigures.Read([Write("peers.json", "[" + string.Join(',', Enumerable.Range(0, 5).Select(seed => $$"""
            {"base": "roberta-mini-8k", "task": "CoLA", "init": "lora", "lr": 0.002, "seed": {{seed}}, "epochs": 8, "best": 0.051},
            {"base": "roberta-mini-8k", "task": "RTE", "init": "lora", "lr": 0.002, "seed": {{seed}}, "epochs": 8, "best": 0.99}
            """)) + "]")]);
        var section = ReportBuilder.Build(runs, peers: peers).Sections.Single();
        var table = SectionTables.Of(section).Single(t => t.Id == "peers");
        CollectionAssert.AreEqual(new[] { "strategy", "CoLA", "PEFT", "RTE", "PEFT" }, table.Headers.Select(h => h.Text).ToArray());
        var row = table.Rows.Single();
        CollectionAssert.AreEqual(
            new[] { "kaiming", Figures.Percent(section.Rows[0].Cells["cola"].Spread), "5.10 ± 0.00", Figures.Percent(section.Rows[0].Cells["rte"].Spread), "99.00 ± 0.00" }, row.Select(c => c.Text).ToArray());
        CollectionAssert.AreEqual(new[] { CellMark.None, CellMark.Best, CellMark.None, CellMark.None, CellMark.Best }, row.Select(c => c.Mark).ToArray());
        StringAssert.Contains(HtmlReport.Write(ReportBuilder.Build(runs, peers: peers)), "Beside PEFT");
        Assert.IsFalse(MarkdownReport.Write(ReportBuilder.Build(runs)).Contains("PEFT", StringComparison.Ordinal));
    }

    [TestMethod]
    public void TheSharedFilesAreRead()
    {
        var shared = ParityData.RequireShared("peers");
        foreach (var file in Directory.GetFiles(shared, "*_glue.json"))
            Assert.IsNotNull(PeerFigures.Read([file]).For(TestRuns.Config() with { BaseModel = file.Contains("medium", StringComparison.Ordinal) ? "roberta-medium-8k" : "mini" }, null), file);
    }

    [TestMethod]
    [DataRow("""{"base": "mini"}""")]
    [DataRow("""[{"base": "mini", "task": "CoLA", "init": "lora", "lr": 0.1, "seed": 0, "epochs": 1}]""")]
    [DataRow("""[{"base": "mini", "task": "Cola2", "init": "lora", "lr": 0.1, "seed": 0, "epochs": 1, "best": 0.5}]""")]
    public void OtherFilesAreRefused(string text)
    {
        var path = Write("wrong.json", text);
        StringAssert.StartsWith(Assert.ThrowsExactly<RunFileException>(() => PeerFigures.Read([path])).Message, path);
        StringAssert.Contains(Assert.ThrowsExactly<RunFileException>(() => PeerFigures.Read([path + "x"])).Message, "does not exist");
    }

    private static string Write(string name, string text)
    {
        var path = Folder.File(name);
        File.WriteAllText(path, text);
        return path;
    }
}
