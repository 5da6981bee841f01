using Microsoft.ML.LoraInit.Samples;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>Which texts a file's rows are scored by, and which line of the output is which row's.</summary>
[TestClass]
public sealed class PredictRowsTests
{
    private static readonly string[] Quick = ["--epochs", "1", "--batch-size", "8", "--rank", "2"];

    private static readonly Lazy<Task<string>> Pairs = new(() => Train("stsb", "--task", "stsb",
        [.. Enumerable.Range(0, 16).Select(i => $"main\tx\t2012\t{i}\t{i % 6}.0\tA dog number {i}.\tA cat {i * 7 % 5}.")]));

    private static readonly Lazy<Task<string>> Single = new(() => Train("cola", "--task", "cola",
        [.. Enumerable.Range(0, 16).Select(i => $"x\t{i % 2}\t\tA sentence of {i} words.")]));

    private static readonly Lazy<Task<string>> YesNo = new(() => Train("yes-no", "--kind", "binary",
        ["Text\tLabel", .. Enumerable.Range(0, 16).Select(i => $"good {i}\t{i % 2}")]));

    [TestMethod]
    public async Task StsbWithAHeaderIsReadByItsNames()
    {
        const string Rows = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\n0\tg\tf\t2012\t1\tnone\tnone\tA dog runs.\tTwo cats sleep.\n";
        var task = await Predict(await Pairs.Value, Rows, "--task", "stsb");
        var columns = await Predict(await Pairs.Value, Rows, "--text-column", "sentence1", "--text2-column", "sentence2");

        Assert.HasCount(2, task.Lines);
        CollectionAssert.AreEqual(columns.Lines, task.Lines);
    }

    [TestMethod]
    public async Task StsbWithAHeaderTrainsAndEvaluatesByItsScores()
    {
        using var folder = new TemporaryFolder();
        var data = folder.File("train.tsv");
        File.WriteAllLines(data, ["index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
            .. Enumerable.Range(0, 8).Select(i => $"{i}\tg\tf\t2012\t1\tnone\tnone\tA dog {i}.\tA cat {i}.\t{i % 5}.5")]);

        var train = await CommandLineRun.InProcess(["train", "--train", data, "--validation", data, "--task", "stsb", "--model", folder.File("m.mlnet"), .. Quick]);
        Assert.AreEqual(ExitCodes.Success, train.ExitCode, string.Join('\n', train.Errors));
        StringAssert.Contains(train.Output, "8 training rows, 8 validation rows");
        var evaluate = await CommandLineRun.InProcess("evaluate", "--model", folder.File("m.mlnet"), "--data", data, "--task", "stsb");
        StringAssert.Contains(evaluate.Output, "8 rows.");
        var inspect = await CommandLineRun.InProcess("inspect", "--train", data, "--task", "stsb", "--rank", "2");
        Assert.AreEqual(ExitCodes.Success, inspect.ExitCode, string.Join('\n', inspect.Errors));
    }

    [TestMethod]
    public async Task TheTestFileOfColaHasAHeaderAndNoLabels()
    {
        var (run, lines) = await Predict(await Single.Value, "index\tsentence\n0\tIt rains.\n1\tRains it.\n", "--task", "cola");

        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        Assert.HasCount(3, lines);
    }

    [TestMethod]
    public async Task MalformedLinesAreToldAndKeepTheirRow()
    {
        var (run, lines) = await Predict(await YesNo.Value, "Id\tText\n1\tlate\n2\ta\tb\n3\tnever\n4\n", "--skip-malformed");
        var (_, whole) = await Predict(await YesNo.Value, "Id\tText\n1\tlate\n3\tnever\n");

        Assert.AreEqual(ExitCodes.Success, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), "2 malformed lines");
        StringAssert.Contains(run.Errors.Single(), "lines 3, 5");
        CollectionAssert.AreEqual((string[])[whole[0], whole[1], "\t\t", whole[2], "\t\t"], lines);
    }

    [TestMethod]
    public async Task AFileOfNothingButMalformedLinesIsNoSuccess()
    {
        var (run, lines) = await Predict(await YesNo.Value, "Id\tText\n1\n2\n", "--skip-malformed");

        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), "all 2 lines");
        Assert.IsEmpty(lines);
    }

    [TestMethod]
    public async Task AnInputWithoutRowsIsToldAndIsNoError()
    {
        var (run, lines) = await Predict(await YesNo.Value, "Id\tText\n");

        Assert.AreEqual(ExitCodes.Success, run.ExitCode);
        StringAssert.EndsWith(run.Errors.Single(), "in.tsv has no rows; nothing was predicted.");
        Assert.HasCount(1, lines, "a header");
    }

    [TestMethod]
    public async Task APartWithoutRowsOfAnInputWithSomeIsNotTold()
    {
        var (run, _) = await Predict(await YesNo.Value, "Text\ngood 3\n", "--shard", "1/2");

        Assert.AreEqual(ExitCodes.Success, run.ExitCode);
        Assert.IsEmpty(run.Errors);
    }

    [TestMethod]
    [DataRow("@support my parcel is late")]
    [DataRow("@notes.txt")]
    public async Task AValueThatBeginsWithAtIsText(string text)
    {
        var run = await CommandLineRun.InProcess("predict", "--model", await YesNo.Value, "--text", text);

        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        StringAssert.Contains(run.Output, text);
    }

    [TestMethod]
    public async Task AnAnswerBelowTheThresholdIsNotSure()
    {
        var (run, lines) = await Predict(await YesNo.Value, "Text\ngood 3\n", "--not-sure-below", "0.999");
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        StringAssert.StartsWith(lines[1], "not sure\t0.");
        var (_, sure) = await Predict(await YesNo.Value, "Text\ngood 3\n", "--not-sure-below", "0.01");
        Assert.AreEqual(lines[1].Split('\t')[1], sure[1].Split('\t')[1]);
        Assert.IsTrue(sure[1].Split('\t')[0] is "true" or "false", sure[1]);
        var one = await CommandLineRun.InProcess("predict", "--model", await YesNo.Value, "--text", "good 3", "--not-sure-below", "0.999");
        StringAssert.Contains(one.Output, "Not sure: ");
    }

    [TestMethod]
    [DataRow("1.5", "above 0 and below 1")]
    [DataRow("0.5", "predicts numbers")]
    public async Task AThresholdThatMeansNothingIsRefused(string threshold, string message)
    {
        var run = await CommandLineRun.InProcess("predict", "--model", await Pairs.Value, "--text", "a", "--text2", "b", "--not-sure-below", threshold);
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), message);
    }

    [TestMethod]
    public async Task AHeaderWithOneNameTwiceIsRefused()
    {
        var (run, lines) = await Predict(await YesNo.Value, "Text\tText\na\tb\n");

        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors.Single(), "twice");
        Assert.IsEmpty(lines);
    }

    private static async Task<(CommandLineRun Run, string[] Lines)> Predict(string model, string rows, params string[] more)
    {
        using var folder = new TemporaryFolder();
        var (input, output) = (folder.File("in.tsv"), folder.File("out.tsv"));
        File.WriteAllText(input, rows);
        var run = await CommandLineRun.InProcess(["predict", "--model", model, "--input", input, "--output", output, .. more]);
        return (run, File.Exists(output) ? File.ReadAllLines(output) : []);
    }

    private static async Task<string> Train(string name, string option, string value, string[] rows)
    {
        var folder = Directory.CreateTempSubdirectory("lorainit-models-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        var (data, model) = (Path.Combine(folder, $"{name}.tsv"), Path.Combine(folder, $"{name}.mlnet"));
        File.WriteAllLines(data, rows);
        var run = await CommandLineRun.InProcess(["train", "--train", data, option, value, "--model", model, .. Quick]);
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        return model;
    }
}
