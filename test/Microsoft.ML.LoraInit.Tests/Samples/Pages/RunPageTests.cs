using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Samples.Output;
using Microsoft.ML.LoraInit.Samples.Pages.Run;

namespace Microsoft.ML.LoraInit.Tests.Samples.Pages;

/// <summary>The page of a training or an evaluation: what stands on it, and that a browser draws it.</summary>
[TestClass]
public sealed class RunPageTests
{
    private static readonly string[] Few = ["billing", "delivery <express>", "refund"];

    [TestMethod]
    public void ItNeedsNothingFromOutsideAndEscapesWhatItShows()
    {
        var page = RunPage.Write(Facts(Few, 90));
        Assert.IsFalse(Regex.IsMatch(page, """(src|href)\s*=\s*["']?(https?:)?//""", RegexOptions.IgnoreCase), "something is loaded");
        Assert.IsFalse(page.Contains("<express>", StringComparison.Ordinal) || page.Contains("<b>not bold", StringComparison.Ordinal));
        Assert.AreEqual(3, Regex.Count(page, "</script>"), "the page has three scripts");
        Assert.IsFalse(Regex.IsMatch(page, @"/\*(styles|library|page|charts)\*/|<!--(title|body|licence)-->"), "a part is missing");
        Has(page, "MIT License");
    }

    [TestMethod]
    public void ConfusionClassesAndErrorsAreThoseOfTheRows()
    {
        var facts = Facts(Few, 90);
        var page = RunPage.Write(facts);
        int wrong = facts.Rows.Count(r => !r.Right);
        Assert.IsTrue(wrong is > 5 and < 40);
        Has(page, $"of {wrong} wrong answers");
        var worst = facts.Rows.Where(r => !r.Right).MaxBy(r => r.Loss)!;
        Assert.IsTrue(Place(worst) < Place(facts.Rows.First(r => !r.Right && r != worst)), "the worst error comes first");
        foreach (var (actual, predicted) in new[] { (0, 0), (0, 1) })
            Has(page, $">{facts.Rows.Count(r => r.ActualValue == actual && r.PredictedValue == predicted)}</td>");
        int Place(JudgedRow row) => page.IndexOf($"{row.Row.Text.Split(',')[0]},", StringComparison.Ordinal);
        Has(page, "Most often confused");
        Has(page, "\"least\":0,\"most\":1");
    }

    [TestMethod]
    public void WordsThatSpokeForTheAnswerAreMarked()
    {
        var page = RunPage.Write(Facts(Few, 90) with { Explain = row => [(row.Row.Text, 0), (" loud", 2), (" low", -1), (" nothing", 0.01)] });
        Has(page, "<mark class=\"for\" style=\"--v:1\" title=\"+2.00\"> loud</mark><mark class=\"against\" style=\"--v:0.5\" title=\"−1.00\"> low</mark> nothing");
    }

    [TestMethod]
    [DataRow(3, 1400)]
    [DataRow(3, 390)]
    [DataRow(77, 1400)]
    [DataRow(77, 390)]
    public void ABrowserDrawsItInEachWidth(int classes, int width)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("page.html"), RunPage.Write(Facts(classes == 3 ? Few : [.. Enumerable.Range(0, classes).Select(i => $"class_number_{i}")], 40 * classes)));
        Assert.AreEqual($"width={width} scroll={width} drawn=4 canvases=4 blank=0 unsigned=true error=.", Browser.Measure(folder.File("page.html"), width));
    }

    [TestMethod]
    public void ANumberThatRoundsToZeroHasNoSign()
    {
        using var folder = new TemporaryFolder();
        var facts = Facts(Few, 30);
        JudgedRow[] rows = [.. facts.Rows.Select((r, i) => r with { ActualValue = i / 6.0, PredictedValue = (i / 6.0) - 0.03 })];
        var report = RunReport.Create("regression", new LoraTextClassificationTrainer.Options(), facts.History!, new(new() { Pearson = -0.00001 }));
        var page = RunPage.Write(facts with { Kind = TaskKind.Regression, Reliability = null, Rows = rows, Report = report });
        Has(page, "<dt>Pearson</dt><dd>0.0000</dd>");
        File.WriteAllText(folder.File("page.html"), page);
        Assert.AreEqual("width=900 scroll=900 drawn=3 canvases=3 blank=0 unsigned=true error=.", Browser.Measure(folder.File("page.html"), 900));
    }

    [TestMethod]
    public async Task TrainAndEvaluateWriteIt()
    {
        using var folder = new TemporaryFolder();
        var (data, model) = (folder.File("rows.tsv"), folder.File("m.mlnet"));
        File.WriteAllLines(data, ["Text\tLabel", .. Trainers.Topics.Rows.Take(30).Select(r => $"{r.Text}\t{r.Label}")]);
        string[] common = ["--kind", "multiclass", "--epochs", "1", "--batch-size", "8", "--rank", "2"];
        var train = await CommandLineRun.InProcess(["train", "--train", data, "--validation", data, "--model", model, "--html", folder.File("train.html"), .. common]);
        Assert.AreEqual(ExitCodes.Success, train.ExitCode, string.Join('\n', train.Errors));
        File.WriteAllLines(folder.File("wrong.tsv"), ["Text\tLabel", .. Trainers.Topics.Rows.Take(6).Select(r => $"{r.Text}\t{(r.Label == "food" ? "sport" : "food")}")]);
        var evaluate = await CommandLineRun.InProcess("evaluate", "--model", model, "--data", folder.File("wrong.tsv"), "--html", folder.File("evaluate.html"), "--explain-errors");
        Assert.AreEqual(ExitCodes.Success, evaluate.ExitCode, string.Join('\n', evaluate.Errors));
        var (first, second) = (File.ReadAllText(folder.File("train.html")), File.ReadAllText(folder.File("evaluate.html")));
        foreach (var page in new[] { first, second })
            foreach (var part in new[] { "Loss by step", "Reliability", "Class by class", "The worst errors", "Settings" })
                Has(page, part);
        Has(first, "--learning-rate");
        Has(second, "<mark class=");
        var alone = await CommandLineRun.InProcess("evaluate", "--model", model, "--data", data, "--explain-errors");
        Assert.AreEqual(ExitCodes.BadInput, alone.ExitCode);
    }

    // The page itself is too long for a message.
    private static void Has(string page, string part) => Assert.IsTrue(page.Contains(part, StringComparison.Ordinal), $"The page lacks '{part}'.");

    private static RunFacts Facts(IReadOnlyList<string> classes, int count)
    {
        var random = new Random(4);
        var rows = Enumerable.Range(0, count).Select(i =>
        {
            int actual = i % classes.Count, predicted = random.NextDouble() < 0.8 ? actual : (actual + 1) % classes.Count;
            var sure = 0.4 + (0.6 * random.NextDouble());
            return new JudgedRow(new($"Text number {i}, <b>not bold</b>", null, classes[actual]) { Line = i + 2 }, classes[actual], classes[predicted], sure, actual == predicted ? -Math.Log(sure) : 1 + random.NextDouble(), actual == predicted)
            {
                ActualValue = actual,
                PredictedValue = predicted,
            };
        }).ToArray();
        var history = new TrainingHistory
        {
            MetricName = "accuracy",
            Steps = 300,
            BestEpoch = 3,
            Epochs = [.. Enumerable.Range(1, 3).Select(e => new EpochHistory { Epoch = e, TrainLoss = 1.0 / e, ValidationLoss = 1.2 / e, Metrics = new() { Accuracy = 1 - (0.5 / e) } })],
        };
        return new()
        {
            Title = "rows.tsv: kaiming on mini",
            Lead = $"{count} rows.",
            Kind = TaskKind.Multiclass,
            Classes = classes,
            Report = RunReport.Create("multiclass", new LoraTextClassificationTrainer.Options(), history, new(new() { Accuracy = 0.8 })),
            History = history,
            Losses = [.. Enumerable.Range(0, 40).Select(i => (8L * i, 1.0 / (1 + (0.2 * i))))],
            Rows = rows,
            Reliability = ([.. Enumerable.Range(0, 15).Select(b => new CalibrationBin(b / 15.0, (b + 1) / 15.0, b < 5 ? 0 : 10, b < 5 ? double.NaN : (b + 0.5) / 15, b < 5 ? double.NaN : b / 15.0))], "Of these rows."),
            Settings = [("Rank", "8"), ("Initialization", "kaiming")],
        };
    }
}
