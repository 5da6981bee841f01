using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.MadeUp;
using Microsoft.ML.LoraInit.Samples;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>The verbs on files of each format, and on pipes.</summary>
[TestClass]
public sealed class FormatCommandTests
{
    private static readonly string[] Quick = ["--epochs", "1", "--max-length", "24", "--kind", "multiclass"];

    [TestMethod]
    public void MadeUpQuestionsAreTheSameForASeedAndOfAllClasses()
    {
        var rows = BankingIntents.Rows(770, seed: 3).ToArray();
        CollectionAssert.AreEqual(rows, BankingIntents.Rows(770, seed: 3).ToArray());
        Assert.AreEqual(77, BankingIntents.Classes.Distinct().Count());
        Assert.IsTrue(rows.GroupBy(r => r.Intent).All(g => g.Count() == 10));
        Assert.IsTrue(new[] { ",", "\"", "\n" }.All(mark => rows.Any(r => r.Text.Contains(mark, StringComparison.Ordinal))));
    }

    [TestMethod]
    public async Task ACsvOfBankingQuestionsGoesThroughEveryVerb()
    {
        using var folder = new TemporaryFolder();
        var (data, model, output) = (folder.File("banking.csv"), folder.File("model.mlnet"), folder.File("answers.csv"));
        BankingIntents.WriteCsv(data, 154, seed: 0);
        var train = await Run("train", "--train", data, "--model", model);
        StringAssert.Contains(train.Output, "the text is the column 'text', the label 'category'");
        StringAssert.Contains(train.Output, "154 training rows, 0 validation rows, 77 classes.");
        StringAssert.Contains((await Run("evaluate", "--model", model, "--data", data)).Output, "154 rows.");
        await Run("predict", "--model", model, "--input", data, "--output", output);
        var lines = File.ReadAllLines(output);
        Assert.AreEqual(155, lines.Length);
        StringAssert.StartsWith(lines[0], "PredictedLabel,Confidence,Probability:account_cancel,");
        Assert.AreEqual(79, lines[1].Split(',').Length);
    }

    [TestMethod]
    public async Task APipeGoesInAndOut()
    {
        using var folder = new TemporaryFolder();
        var model = folder.File("model.mlnet");
        var rows = string.Concat(BankingIntents.Rows(40, seed: 0).Select(r => new JsonObject { ["utterance"] = r.Text, ["intent"] = r.Intent[..4] }.ToJsonString() + "\n"));
        var train = await CommandLineRun.InProcess(["train", "--train", "-", "--format", "jsonl", "--model", model, .. Quick], default, rows);
        Assert.AreEqual(ExitCodes.Success, train.ExitCode, string.Join('\n', train.Errors));

        var predict = await CommandLineRun.InProcess(["predict", "--model", model, "--input", "-", "--format", "jsonl", "--output", "-"], default, rows);
        Assert.AreEqual(ExitCodes.Success, predict.ExitCode, string.Join('\n', predict.Errors));
        var answers = predict.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.AreEqual(40, answers.Length);
        Assert.IsTrue(answers.All(a => JsonNode.Parse(a)!["Confidence"]!.GetValue<double>() is > 0 and <= 1));
        StringAssert.Contains(predict.Errors[^1], "40 predictions written to standard output.");
    }

    [TestMethod]
    [DataRow("train --train x.jsonl --model m --kind binary --no-header", "--no-header")]
    [DataRow("train --train x.tsv --model m --kind binary --delimiter ;", "--delimiter")]
    [DataRow("train --train x.csv --model m --kind binary --delimiter ;;", "';;'")]
    [DataRow("train --train x --model m --kind binary --format xlsx", "xlsx")]
    public async Task OptionsThatDoNotGoWithTheFormatAreRefused(string arguments, string named)
    {
        var run = await CommandLineRun.InProcess(arguments.Split(' '));
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), named);
    }

    private static async Task<CommandLineRun> Run(params string[] arguments)
    {
        var run = await CommandLineRun.InProcess(arguments[0] == "train" ? [.. arguments, .. Quick] : arguments);
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        return run;
    }
}
