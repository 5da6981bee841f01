using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.MadeUp;

namespace Microsoft.ML.LoraInit.Tests.Docs;

/// <summary>The five commands of docs/start.md, on questions in 77 classes with commas, quotation marks and line breaks, and what each leaves.</summary>
[TestClass]
public sealed class StrangersPathTests
{
    private const string Page = "docs/start.md";
    private const int TestRows = 154;

    /// <summary>One epoch on a few rows: what is left is all there, of a model that is sure of nothing.</summary>
    [TestMethod]
    public Task FiveCommandsLeaveModelFiguresPageAndAnswers() => Walk(trainRows: 770, asPrinted: false);

    /// <summary>All epochs as printed, on more rows: it learns, and is sure of some answers and right about most of those.</summary>
    [TestMethod]
    [TestCategory("Long")]
    public Task FiveCommandsAsPrintedLearn() => Walk(trainRows: 1540, asPrinted: true);

    private static async Task Walk(int trainRows, bool asPrinted)
    {
        using var folder = new TemporaryFolder();
        BankingIntents.WriteCsv(folder.File("requests.csv"), trainRows, seed: 0);
        BankingIntents.WriteCsv(folder.File("test.csv"), TestRows, seed: 1);
        var five = Five();
        var small = new SmallCommand(folder) { TrainsAsPrinted = asPrinted };

        await small.Run(five[0]);
        var trained = Report(folder, "first.json");
        Assert.IsTrue(File.Exists(folder.File("first.mlnet")));
        // One temperature, or one for answers that are near each other and one for those far apart.
        Assert.IsTrue(trained["metrics"]!["temperature"] is { } one ? (double)one is > 0 and not 1 : (double)trained["metrics"]!["temperature_bend"]! > 0, "not calibrated");
        Assert.IsTrue((double)trained["metrics"]!["expected_calibration_error"]! is > 0 and < 0.3);
        IsAPage(folder, "first.html", $"{trainRows:N0} training rows, 15 % of them set aside", "Loss by step", "Reliability");

        await small.Run(five[1]);
        var accuracy = (double)Report(folder, "test.json")["metrics"]!["accuracy"]!;
        var error = (double)Report(folder, "test.json")["metrics"]!["expected_calibration_error"]!;
        Assert.IsTrue(error is > 0 and < 0.3, $"expected calibration error {error}");
        IsAPage(folder, "test.html", "154 rows", "Reliability", "Worst errors", "transfer_delayed");

        var answer = (await small.Run(five[2])).Output;
        StringAssert.Matches(answer, new("“Where is my parcel\\?”(?s).*%.*and 67 less likely classes"));
        StringAssert.Contains(answer, "Not sure: ", "No class of a bank has parcels.");
        await small.Run(five[3]);
        var (sure, right) = Answers(folder);
        Assert.IsTrue(asPrinted ? accuracy > 0.6 && sure > TestRows / 4 && right > 0.7 * sure : accuracy >= 0, $"accuracy {accuracy}, {right} of {sure} sure answers");

        await small.Run(five[4]);
        await small.Run(five[3] with { Arguments = five[3].Arguments!.Replace("first.mlnet", "served.mlnet", StringComparison.Ordinal).Replace("answers", "served", StringComparison.Ordinal) });
        CollectionAssert.AreEqual(Labels(folder, "answers.csv"), Labels(folder, "served.csv"), "ONNX Runtime answers otherwise.");
    }

    // The first block of commands of the section that promises them.
    private static DocCommand[] Five()
    {
        StringAssert.Contains(DocPages.Text(Page), "five commands");
        DocCommand[] five = [.. DocCommands.Of(Page).Take(5)];
        CollectionAssert.AreEqual((string[])["train", "evaluate", "predict", "predict", "adapter"], five.Select(c => c.Arguments!.Split(' ')[0]).ToArray());
        return five;
    }

    private static JsonNode Report(TemporaryFolder folder, string name) => JsonNode.Parse(File.ReadAllText(folder.File(name)))!;

    private static void IsAPage(TemporaryFolder folder, string name, params string[] parts)
    {
        var page = File.ReadAllText(folder.File(name));
        foreach (var part in parts)
            Assert.IsTrue(page.Contains(part, StringComparison.OrdinalIgnoreCase), $"{name} has no '{part}'.");
    }

    // Each answer is "not sure" where its confidence is below 0.6, and a class elsewhere; gives how many are sure, and how many of those right.
    private static (int Sure, int Right) Answers(TemporaryFolder folder)
    {
        var truth = BankingIntents.Rows(TestRows, seed: 1).Select(r => r.Intent).ToArray();
        var cells = File.ReadAllLines(folder.File("answers.csv")).Skip(1).Select(l => l.Split(',')).ToArray();
        Assert.HasCount(TestRows, cells);
        foreach (var c in cells)
            Assert.AreEqual(double.Parse(c[1], CultureInfo.InvariantCulture) < 0.6, c[0] == "not sure", $"{c[0]}, {c[1]}");
        var sure = cells.Select((c, i) => (Label: c[0], Truth: truth[i])).Where(a => a.Label != "not sure").ToArray();
        return (sure.Length, sure.Count(a => a.Label == a.Truth));
    }

    private static string[] Labels(TemporaryFolder folder, string name) => [.. File.ReadAllLines(folder.File(name)).Select(l => l.Split(',')[0])];
}
