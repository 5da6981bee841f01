using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>The verbs with <c>--kind multilabel</c>, on a few rows and one epoch of the embedded model.</summary>
[TestClass]
public sealed class MultiLabelCommandTests
{
    private static readonly string[] Quick = ["--base-model", "mini", "--kind", "multilabel", "--epochs", "1", "--batch-size", "8", "--rank", "4"];

    private static readonly string[] Rows =
    [
        "billing;urgent\tI was charged twice, call me today.", "\tHow are you?", "billing\tThe total is too high.", "delivery\tThe parcel is late.",
        " delivery ; urgent;\tI need the parcel today!", "delivery;billing;delivery\tThe postage on my bill is wrong.", "urgent\tQuickly, please.", ";\tA message about nothing.",
    ];

    private static TemporaryFolder _folder = null!;

    private static string Model => _folder.File("model.mlnet");

    private static string Data => _folder.File("data.tsv");

    [ClassInitialize]
    public static async Task TrainOnce(TestContext _)
    {
        _folder = new();
        File.WriteAllLines(Data, ["Label\tText", .. Rows]);
        var train = await Succeeds(["train", "--train", Data, "--validation", Data, "--label-delimiter", ";", "--model", Model, "--json", _folder.File("train.json"), .. Quick]);
        StringAssert.Contains(train.Output, "8 training rows, 8 validation rows, 3 labels.");
        StringAssert.Contains(train.Output, "micro F1");
    }

    [ClassCleanup]
    public static void Remove() => _folder.Dispose();

    [TestMethod]
    public async Task EvaluateInAnotherProcessNeedsTheModelAlone()
    {
        var json = _folder.File("evaluate.json");
        var run = await CommandLineRun.ChildProcess("evaluate", "--model", Model, "--data", Data, "--json", json);
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        var (first, second) = (Json(_folder.File("train.json")), Json(json));
        foreach (var (name, value) in first["metrics"]!.AsObject())
            Assert.AreEqual((double)value!, (double)second["metrics"]![name]!, 1e-6, name);
        CollectionAssert.AreEqual(
            new[] { "micro_f1", "macro_f1", "micro_precision", "micro_recall", "subset_accuracy", "hamming_loss", "mean_average_precision", "mean_auc" },
            second["metrics"]!.AsObject().Select(p => p.Key).Take(8).ToArray());
        var labels = second["labels"]!.AsArray();
        CollectionAssert.AreEqual(new[] { "billing", "delivery", "urgent" }, labels.Select(l => (string)l!["label"]!).ToArray());
        CollectionAssert.AreEqual(new[] { 3, 3, 3 }, labels.Select(l => (int)l!["rows"]!).ToArray());
        foreach (var label in labels)
            StringAssert.Contains(run.Output, $"\n{label!["label"]}");
    }

    [TestMethod]
    public async Task PredictNamesTheLabelsFromOneHalfOn()
    {
        var output = _folder.File("out.tsv");
        await Succeeds(["predict", "--model", Model, "--input", Data, "--output", output]);
        var lines = File.ReadAllLines(output);
        Assert.AreEqual("PredictedLabel\tProbability:billing\tProbability:delivery\tProbability:urgent", lines[0]);
        Assert.AreEqual(Rows.Length + 1, lines.Length);
        string[] names = ["billing", "delivery", "urgent"];
        foreach (var cells in lines.Skip(1).Select(l => l.Split('\t')))
            Assert.AreEqual(string.Join(';', names.Where((_, i) => Number(cells[i + 1]) >= 0.5)), cells[0]);

        var one = await Succeeds(["predict", "--model", Model, "--text", Rows[0].Split('\t')[1]]);
        var first = lines[1].Split('\t');
        for (int i = 0; i < names.Length; i++)
            StringAssert.Contains(one.Output, Number(first[i + 1]).ToString("0.0 %", CultureInfo.InvariantCulture));
        StringAssert.Contains(one.Output, $"labels: {(first[0].Length > 0 ? first[0].Replace(";", ", ", StringComparison.Ordinal) : "none")}");
    }

    [TestMethod]
    public void AnApplicationScoresTheFilesOwnRows()
    {
        var ml = new MLContext();
        var model = ml.Model.Load(Model, out _);
        using var owned = model as IDisposable;
        var scored = model.Transform(ml.Data.LoadFromEnumerable([new Row { Label = "urgent;billing" }, new Row()]));
        CollectionAssert.AreEqual(new[] { 1f, 0f, 1f }, scored.GetColumn<float[]>("Label").First());
        CollectionAssert.AreEqual(new[] { 0f, 0f, 0f }, scored.GetColumn<float[]>("Label").Last());
        CollectionAssert.AreEqual(new[] { "billing", "delivery", "urgent" }, ml.MulticlassClassification.EvaluateMultiLabel(scored).PerLabel.Select(l => l.Name).ToArray());
    }

    [TestMethod]
    public async Task CombinedModelsKeepTheirLabels()
    {
        var (copy, both) = (_folder.File("copy.mlnet"), _folder.File("both.mlnet"));
        File.Copy(Model, copy);
        await Succeeds(["adapter", "combine", "--model", Model, copy, "--method", "cat", "--out", both]);
        StringAssert.Contains((await Succeeds(["evaluate", "--model", both, "--data", Data])).Output, "\nurgent");
    }

    [TestMethod]
    public async Task InspectTakesTheOptionsOfTrain() =>
        StringAssert.Contains((await Succeeds(["inspect", "--train", Data, "--label-delimiter", ";", "--target-modules", "query", .. Quick])).Output, "8 of 8 training rows");

    [TestMethod]
    public async Task ALabelThatTrainingDidNotHaveIsNamed()
    {
        var other = _folder.File("other.tsv");
        File.WriteAllText(other, "Label\tText\nbilling\tThe bill.\nbilling;weather\tIt rains.\n");
        foreach (var run in new[]
        {
            await CommandLineRun.InProcess("evaluate", "--model", Model, "--data", other),
            await CommandLineRun.InProcess(["train", "--train", Data, "--validation", other, "--label-delimiter", ";", "--model", _folder.File("none.mlnet"), .. Quick]),
        })
        {
            Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
            StringAssert.Contains(run.Errors.Single(), "other.tsv, line 3, column Label: unknown label 'weather'; known are billing, delivery, urgent.");
        }
    }

    [TestMethod]
    public async Task AFileWithoutAnyLabelIsRefused()
    {
        var none = _folder.File("none.tsv");
        File.WriteAllText(none, "Label\tText\n\tA text.\n|\tAnother.\n");
        var run = await CommandLineRun.InProcess(["train", "--train", none, "--model", _folder.File("none.mlnet"), .. Quick]);
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), "none.tsv has a label in the column Label");
        Assert.IsFalse(File.Exists(_folder.File("none.mlnet")));
    }

    [TestMethod]
    public async Task AnotherKindsMetricIsRefused()
    {
        var run = await CommandLineRun.InProcess(
            ["train", "--train", Data, "--validation", Data, "--label-delimiter", ";", "--validation-metric", "pearson", "--model", _folder.File("none.mlnet"), .. Quick]);
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), "choose f1");
    }

    private static async Task<CommandLineRun> Succeeds(string[] arguments)
    {
        var run = await CommandLineRun.InProcess(arguments);
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        return run;
    }

    private static JsonObject Json(string path) => JsonNode.Parse(File.ReadAllText(path))!.AsObject();

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private sealed class Row
    {
        public string Text { get; set; } = "A text.";

        public string Label { get; set; } = "";
    }
}
