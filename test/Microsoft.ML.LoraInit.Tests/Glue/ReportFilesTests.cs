using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Samples.Glue.Report;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Tests.Glue;

[TestClass]
public class ReportFilesTests
{
    private string _folder = "";

    [TestInitialize]
    public void Create() => _folder = TestRuns.NewFolder();

    [TestCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DataRow(-0.00001, "0.00")]
    [DataRow(-0.5, "-50.00")]
    [DataRow(0.91234, "91.23")]
    [DataRow(double.NaN, "NaN")]
    public void APercentageThatRoundsToZeroHasNoSign(double value, string expected) => Assert.AreEqual(expected, Figures.Percent(value));

    [TestMethod]
    public void EveryFormatIsWrittenAndTwiceTheSame()
    {
        var store = new RunStore(_folder);
        foreach (var record in Runs("mini"))
            store.Write(record);
        store.Write(TestRuns.Failed(TestRuns.Config("cola", "evil</script>", seed: 9)));
        var first = ReportFiles.Write(_folder, Path.Combine(_folder, "one")).Select(File.ReadAllText).ToArray();
        var second = ReportFiles.Write(_folder, Path.Combine(_folder, "two")).Select(File.ReadAllText).ToArray();
        CollectionAssert.AreEqual(first, second);
        CollectionAssert.AreEquivalent(
            new[] { "report.csv", "report.html", "report.md", "runs.csv" },
            Directory.GetFiles(Path.Combine(_folder, "one")).Select(f => Path.GetFileName(f)).ToArray());
    }

    [TestMethod]
    public void ThePageNeedsNothingFromOutsideAndEscapesWhatItShows()
    {
        var page = HtmlReport.Write(ReportBuilder.Build([.. Runs("mini"), TestRuns.Failed(TestRuns.Config("cola", "evil</script><b>", seed: 9))]));
        Assert.IsFalse(Regex.IsMatch(page, """(src|href)\s*=\s*["']?(https?:)?//""", RegexOptions.IgnoreCase), "something is loaded");
        Assert.IsFalse(page.Contains("sourceMappingURL", StringComparison.Ordinal));
        Assert.IsFalse(page.Contains("@import", StringComparison.Ordinal));
        Assert.IsFalse(page.Contains("evil</script>", StringComparison.Ordinal));
        Assert.AreEqual(3, Regex.Count(page, "</script>"), "the page has three scripts");
        StringAssert.Contains(page, "MIT License");
        Assert.IsFalse(Regex.IsMatch(page, @"/\*(styles|library|page)\*/|<!--(body|licence)-->"), "a part is missing");
    }

    [TestMethod]
    public void TheChartsFiguresAreThoseOfTheTables()
    {
        var model = ReportBuilder.Build(Runs("mini"));
        var page = HtmlReport.Write(model);
        var json = Regex.Match(page, """<script type="application/json" id="figures">(.*?)</script>""", RegexOptions.Singleline).Groups[1].Value;
        using var data = JsonDocument.Parse(json);
        var row = data.RootElement[0].GetProperty("rows")[0];
        var cell = model.Sections[0].Rows[0].Cells["cola"];
        Assert.AreEqual(100 * cell.Spread.Mean, row.GetProperty("cells").GetProperty("cola").GetProperty("mean").GetDouble(), 1e-9);
        Assert.AreEqual(cell.Curve.Count, row.GetProperty("cells").GetProperty("cola").GetProperty("curve").GetArrayLength());
        StringAssert.Contains(page, Figures.Percent(cell.Spread));
    }

    [TestMethod]
    public void PublishedFiguresStandBesideTheirOwnBaseModelOnly()
    {
        var markdown = MarkdownReport.Write(ReportBuilder.Build(Runs("FacebookAI/roberta-base")));
        StringAssert.Contains(markdown, "published: IniLoRA <sub>arXiv 2510.03731, Table 1</sub> | 63.70 | 79.00 |");
        StringAssert.Contains(markdown, "MRPC, RTE and STS-B started from the adapter trained on MNLI");
        Assert.IsFalse(MarkdownReport.Write(ReportBuilder.Build(Runs("mini"))).Contains("published", StringComparison.Ordinal));
    }

    [TestMethod]
    public void TheMarkdownSaysHowManyRunsAndWhichCommand()
    {
        var markdown = MarkdownReport.Write(ReportBuilder.Build([.. Runs("mini"), TestRuns.Failed(TestRuns.Config("cola", "broken"))]));
        StringAssert.Contains(markdown, "37 runs: 4 strategies on 2 tasks; 36 runs finished, 1 failed.");
        StringAssert.Contains(markdown, "n = 3</sub>");
        StringAssert.Contains(markdown, "glue --base-model mini --tasks cola,rte");
        StringAssert.Contains(markdown, "Boom");
        foreach (var line in markdown.Split('\n').Where(l => l.StartsWith('|')))
            Assert.IsTrue(line.EndsWith('|'), line);
    }

    [TestMethod]
    public void CsvHasALineACellAndQuotesWhatNeedsIt()
    {
        var records = Runs("mini");
        var cells = CsvReport.Cells(ReportBuilder.Build(records)).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.AreEqual(1 + 2 * 3, cells.Length);
        Assert.IsTrue(cells.All(l => l.Split(',').Length == cells[0].Split(',').Length));
        var failed = TestRuns.Failed(TestRuns.Config()) with { ExitReason = "a, \"b\"" };
        StringAssert.Contains(CsvReport.Runs([failed]), "\"a, \"\"b\"\"\"");
        Assert.AreEqual(records.Count + 1, CsvReport.Runs(records).Split("\r\n", StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [TestMethod]
    public void BasesOfOneNameAndDifferentWeightsAreSectionsOfTheirOwn()
    {
        RunRecord Of(string hash) => TestRuns.Finished(TestRuns.Config() with { BaseModelSha256 = hash }, 0.5);
        var model = ReportBuilder.Build([Of("aaaaaaaaaaaa"), Of("bbbbbbbbbbbb")]);
        CollectionAssert.AreEqual(new[] { "mini (SHA-256 aaaaaaaa…)", "mini (SHA-256 bbbbbbbb…)" }, model.Sections.Select(s => s.BaseModel).ToArray());
        Assert.IsTrue(model.Sections.All(s => s.Rows.Single().Cells["cola"].Spread.Count == 1));
    }

    [TestMethod]
    public void WhatWasFusedTellsRowsApart()
    {
        RunRecord Of(string sources) => TestRuns.Finished(TestRuns.Config(initialization: Methods.NoInitialization, method: "fusion:sources=a.mlnet") with { MethodSources = sources }, 0.5);
        var rows = ReportBuilder.Build([Of("aaaaaaaaaaaa"), Of("bbbbbbbbbbbb"), TestRuns.Finished(TestRuns.Config(), 0.5)]).Sections.Single().Rows;
        CollectionAssert.IsSubsetOf(new[] { "fusion:sources=a.mlnet (sources aaaaaaaa)", "kaiming" }, rows.Select(r => r.Label).ToArray());
    }

    [TestMethod]
    public void NoRunsMakeNoReport()
    {
        Assert.ThrowsExactly<RunFileException>(() => ReportFiles.Write(_folder, _folder));
        Directory.CreateDirectory(new RunStore(_folder).RunsDirectory);
        StringAssert.Contains(Assert.ThrowsExactly<RunFileException>(() => ReportFiles.Write(_folder, _folder)).Message, "no runs");
    }

    private static IReadOnlyList<RunRecord> Runs(string baseModel) =>
        PlausibleRuns.Make(baseModel, ["cola", "rte"], ["kaiming", "pissa", "full"], [1e-3, 3e-4], [0, 1, 2], 4);
}
