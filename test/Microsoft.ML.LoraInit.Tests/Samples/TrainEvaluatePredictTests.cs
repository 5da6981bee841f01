using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Samples;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>The verbs in a row, on a few rows and one or two epochs of the embedded model.</summary>
[TestClass]
public sealed class TrainEvaluatePredictTests
{
    private static readonly string[] Quick = ["--base-model", "mini", "--epochs", "1", "--batch-size", "8", "--rank", "4", "--alpha", "8"];

    [TestMethod]
    public async Task EvaluateInAnotherProcessGivesTrainsFigures()
    {
        using var folder = new TemporaryFolder();
        var (model, data) = (folder.File("model.mlnet"), SupportRows(folder));
        var train = await CommandLineRun.InProcess(
            ["train", "--train", data, "--validation", data, "--kind", "multiclass", "--model", model, "--json", folder.File("train.json"), .. Quick]);
        Assert.AreEqual(ExitCodes.Success, train.ExitCode, string.Join('\n', train.Errors));
        var evaluate = await CommandLineRun.ChildProcess("evaluate", "--model", model, "--data", data, "--json", folder.File("evaluate.json"));
        Assert.AreEqual(ExitCodes.Success, evaluate.ExitCode, string.Join('\n', evaluate.Errors));

        var (first, second) = (Json(folder.File("train.json")), Json(folder.File("evaluate.json")));
        CollectionAssert.AreEqual(first.Select(p => p.Key).Where(k => k != "run").ToArray(), second.Select(p => p.Key).ToArray());
        Assert.AreEqual("kaiming", (string?)first["init"]);
        foreach (var setting in new[] { "task", "init", "rank", "alpha", "epochs", "best_epoch", "trainable_parameters", "total_parameters" })
            Assert.IsTrue(JsonNode.DeepEquals(first[setting], second[setting]), $"{setting}: {first[setting]} and {second[setting]}");
        CollectionAssert.AreEqual(new[] { "accuracy", "f1", "matthews", "log_loss", "expected_calibration_error", "calibration_error_by_chance", "brier_score", "temperature" }, first["metrics"]!.AsObject().Select(p => p.Key).ToArray());
        foreach (var (name, value) in first["metrics"]!.AsObject())
            Assert.AreEqual((double)value!, (double)second["metrics"]![name]!, 1e-6, name);
        Assert.AreEqual(1, Directory.GetFiles(folder.Path, "*.mlnet").Length);

        var rounded = await CommandLineRun.InProcess("evaluate", "--model", model, "--data", data, "--json", folder.File("int8.json"), "--int8");
        Assert.AreEqual(ExitCodes.Success, rounded.ExitCode, string.Join('\n', rounded.Errors));
        double difference = (double)second["metrics"]!["log_loss"]! - (double)Json(folder.File("int8.json"))["metrics"]!["log_loss"]!;
        Assert.IsTrue(Math.Abs(difference) is > 0 and < 0.05, $"{difference}");
        var onnx = await CommandLineRun.InProcess("evaluate", "--model", model, "--data", data, "--json", folder.File("onnx.json"), "--engine", "onnx");
        Assert.AreEqual(ExitCodes.Success, onnx.ExitCode, string.Join('\n', onnx.Errors));
        Assert.AreEqual((double)second["metrics"]!["log_loss"]!, (double)Json(folder.File("onnx.json"))["metrics"]!["log_loss"]!, 1e-5);
    }

    [TestMethod]
    public async Task PairsWithNumbersAreRegression()
    {
        using var folder = new TemporaryFolder();
        var (model, data) = (folder.File("model.mlnet"), folder.File("sts.csv"));
        File.WriteAllLines(data, Enumerable.Range(0, 16).Select(i => $"main\tx\t2012\t{i}\t{i % 6}.000\tA \"dog number {i}.\tA dog {i * 7 % 5}."));
        var train = await CommandLineRun.InProcess(["train", "--train", data, "--validation", data, "--task", "stsb", "--model", model, "--json", folder.File("r.json"), .. Quick]);
        Assert.AreEqual(ExitCodes.Success, train.ExitCode, string.Join('\n', train.Errors));
        CollectionAssert.AreEqual(new[] { "pearson", "spearman", "mse" }, Json(folder.File("r.json"))["metrics"]!.AsObject().Select(p => p.Key).ToArray());

        var predict = await CommandLineRun.InProcess("predict", "--model", model, "--text", "A dog.", "--text2", "A cat.");
        Assert.IsTrue(double.TryParse(predict.Output.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out _), predict.Output);
        var single = await CommandLineRun.InProcess("predict", "--model", model, "--text", "A dog.");
        Assert.AreEqual(ExitCodes.BadInput, single.ExitCode);
        StringAssert.Contains(single.Errors.Single(), "--text2");
    }

    [TestMethod]
    public async Task PredictWritesALineARowInOrder()
    {
        using var folder = new TemporaryFolder();
        var (model, data, output) = (folder.File("model.mlnet"), folder.File("yes-no.tsv"), folder.File("out.tsv"));
        File.WriteAllLines(data, ["Text\tLabel", .. Enumerable.Range(0, 16).Select(i => i % 2 == 0 ? $"good {i}\ttrue" : $"a bad, bad, bad thing {i}\t0")]);
        var train = await CommandLineRun.InProcess(["train", "--train", data, "--kind", "binary", "--model", model, .. Quick]);
        Assert.AreEqual(ExitCodes.Success, train.ExitCode, string.Join('\n', train.Errors));
        var predict = await CommandLineRun.InProcess("predict", "--model", model, "--input", data, "--output", output);
        Assert.AreEqual(ExitCodes.Success, predict.ExitCode, string.Join('\n', predict.Errors));

        var lines = File.ReadAllLines(output);
        Assert.AreEqual("PredictedLabel\tConfidence\tProbability", lines[0]);
        Assert.AreEqual(17, lines.Length);
        for (int i = 0; i < 16; i++)
        {
            var cells = lines[i + 1].Split('\t');
            var probability = double.Parse(cells[2], CultureInfo.InvariantCulture);
            Assert.AreEqual(probability > 0.5, bool.Parse(cells[0]));
            Assert.AreEqual(Math.Max(probability, 1 - probability), double.Parse(cells[1], CultureInfo.InvariantCulture), 1e-6);
            var alone = await CommandLineRun.InProcess("predict", "--model", model, "--text", i % 2 == 0 ? $"good {i}" : $"a bad, bad, bad thing {i}");
            StringAssert.Contains(alone.Output, probability.ToString("0.0 %", CultureInfo.InvariantCulture), $"row {i}");
            if (i == 3)
                break;
        }
    }

    [TestMethod]
    public async Task PredictLeavesNothingOfABrokenInput()
    {
        using var folder = new TemporaryFolder();
        var (model, data, broken) = (folder.File("model.mlnet"), SupportRows(folder), folder.File("broken.tsv"));
        await CommandLineRun.InProcess(["train", "--train", data, "--kind", "multiclass", "--model", model, .. Quick]);
        File.WriteAllText(broken, "Text\tOther\nfine\t1\nnot fine\n");
        var run = await CommandLineRun.InProcess("predict", "--model", model, "--input", broken, "--output", folder.File("out.tsv"));
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), "line 3");
        Assert.AreEqual(0, Directory.GetFiles(folder.Path, "*out.tsv*").Length);
    }

    [TestMethod]
    public async Task ALabelThatTheModelDoesNotKnowIsNamed()
    {
        using var folder = new TemporaryFolder();
        var (model, data, other) = (folder.File("model.mlnet"), SupportRows(folder), folder.File("other.tsv"));
        await CommandLineRun.InProcess(["train", "--train", data, "--kind", "multiclass", "--model", model, .. Quick]);
        File.WriteAllText(other, "Label\tText\nWeather\tIt rains.\n");
        var run = await CommandLineRun.InProcess("evaluate", "--model", model, "--data", other);
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), "'Weather'");
        StringAssert.Contains(run.Errors.Single(), "line 2");
    }

    [TestMethod]
    public async Task CancelledBeforeTheFirstEpochWritesNothing()
    {
        using var folder = new TemporaryFolder();
        var run = await CommandLineRun.InProcess(
            ["train", "--train", SupportRows(folder), "--kind", "multiclass", "--model", folder.File("model.mlnet"), .. Quick], new CancellationToken(canceled: true));
        Assert.AreEqual(ExitCodes.Cancelled, run.ExitCode);
        Assert.IsFalse(File.Exists(folder.File("model.mlnet")));
    }

    [TestMethod]
    [DataRow("--init", "no-such-start")]
    [DataRow("--rank", "0")]
    [DataRow("--target-modules", "no-such-layer")]
    [DataRow("--method", "no-such-method")]
    [DataRow("--learning-rate", "-1")]
    public async Task AnOptionTheTrainerRefusesIsBadInput(string option, string value)
    {
        using var folder = new TemporaryFolder();
        var run = await CommandLineRun.InProcess(
            "train", "--train", SupportRows(folder), "--kind", "multiclass", "--model", folder.File("model.mlnet"), option, value);
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode, string.Join('\n', run.Errors));
        Assert.AreEqual(1, run.Errors.Count);
        Assert.IsFalse(File.Exists(folder.File("model.mlnet")));
    }

    [TestMethod]
    public async Task EvaOnTwoRowsIsBadInput()
    {
        using var folder = new TemporaryFolder();
        var data = folder.File("two.tsv");
        File.WriteAllLines(data, ["Text\tLabel", "a\t0", "b\t1"]);
        var run = await CommandLineRun.InProcess("train", "--train", data, "--kind", "binary", "--model", folder.File("model.mlnet"), "--init", "eva", "--rank", "64");
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode, string.Join('\n', run.Errors));
        StringAssert.Contains(run.Errors.Single(), "principal components");
    }

    private static string SupportRows(TemporaryFolder folder)
    {
        var path = folder.File("support.tsv");
        File.WriteAllLines(path, File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Data", "support-intents.train.tsv")).Take(25));
        return path;
    }

    private static JsonObject Json(string path) => JsonNode.Parse(File.ReadAllText(path))!.AsObject();
}
