using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>A file scored in parts, which are joined in its order.</summary>
[TestClass]
public sealed class PredictShardTests
{
    private static readonly Lazy<TemporaryFolder> Model = new(() =>
    {
        var folder = new TemporaryFolder();
        var ml = Topics.Context();
        // With the columns that the command line gives it, and no second text.
        ml.Model.Save(TrainedModels.Multiclass, ml.Data.LoadFromEnumerable<Labelled>([]).Schema, folder.File("model.mlnet"));
        return folder;
    });

    [ClassCleanup]
    public static void DeleteTheModel() => Model.Value.Dispose();

    [TestMethod]
    [DataRow("answers.tsv", 3)]
    [DataRow("answers.csv", 2)]
    [DataRow("answers.jsonl", 4)]
    [DataRow("answers.tsv", 40)]
    public async Task PartsMakeTheWholeInOrder(string name, int parts)
    {
        using var folder = new TemporaryFolder();
        // 21 rows, one of them malformed: its row stays empty.
        File.WriteAllLines(folder.File("rows.tsv"), ["Id\tText", .. Topics.Rows.Take(20).Select((r, i) => i == 6 ? "6\tone\ttoo many" : $"{i}\t{r.Text}")]);
        await Predict(folder, "whole." + name);
        for (int i = 0; i < parts; i++)
            await Predict(folder, name, "--shard", $"{i}/{parts}");
        var merge = await CommandLineRun.InProcess("predict", "merge", "--output", folder.File(name));

        Assert.AreEqual(ExitCodes.Success, merge.ExitCode, string.Join('\n', merge.Errors));
        Assert.AreEqual(File.ReadAllText(folder.File("whole." + name)), File.ReadAllText(folder.File(name)));
        StringAssert.Contains(merge.Output, $"{parts} parts");
    }

    [TestMethod]
    public async Task AMissingPartAndPartsOfAnotherNumberAreNamed()
    {
        using var folder = new TemporaryFolder();
        await Refused("there is no");
        File.WriteAllText(folder.File("a.tsv.part-0-of-2"), "Score\n1\n");
        await Refused("a.tsv.part-1-of-2 is missing");
        File.WriteAllText(folder.File("a.tsv.part-0-of-3"), "Score\n1\n");
        await Refused("parts of 2 and of 3");

        async Task Refused(string said)
        {
            var run = await CommandLineRun.InProcess("predict", "merge", "--output", folder.File("a.tsv"));
            Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
            StringAssert.Contains(string.Join('\n', run.Errors), said);
        }
    }

    [TestMethod]
    [DataRow("Score\n1\n", "Score\n2\n3\n", "more rows")]
    [DataRow("Score\n1\n", "Probability\n2\n", "another header")]
    public async Task PartsThatDoNotBelongTogetherAreRefused(string first, string second, string said)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("a.tsv.part-0-of-2"), first);
        File.WriteAllText(folder.File("a.tsv.part-1-of-2"), second);
        var run = await CommandLineRun.InProcess("predict", "merge", "--output", folder.File("a.tsv"));

        StringAssert.Contains(string.Join('\n', run.Errors), said);
        Assert.IsFalse(File.Exists(folder.File("a.tsv")));
    }

    [TestMethod]
    [DataRow("3/3")]
    [DataRow("half")]
    public async Task AShardThatIsNoneIsRefusedBeforeTheWork(string shard)
    {
        var run = await CommandLineRun.InProcess("predict", "--model", "no.mlnet", "--input", "no.tsv", "--output", "a.tsv", "--shard", shard);
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(string.Join('\n', run.Errors), "--shard");
    }

    private static async Task Predict(TemporaryFolder folder, string output, params string[] more)
    {
        var run = await CommandLineRun.InProcess(["predict", "--model", Model.Value.File("model.mlnet"), "--input", folder.File("rows.tsv"),
            "--text-column", "Text", "--skip-malformed", "--output", folder.File(output), .. more]);
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
    }

    private sealed class Labelled
    {
        public string Text { get; set; } = "";

        public string Label { get; set; } = "";
    }
}
