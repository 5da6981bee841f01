using System.Text.Json;
using Microsoft.ML.LoraInit.Samples;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary><c>embed</c>: a vector a row, in the input's order.</summary>
[TestClass]
public sealed class EmbedCommandTests
{
    private static readonly string[] Rows = ["Text", "The soup is hot.", "Two dogs run.", ""];

    [TestMethod]
    public async Task EachRowGetsAVectorThatIsOneLong()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllLines(folder.File("in.tsv"), Rows);
        var run = await CommandLineRun.InProcess("embed", "--input", folder.File("in.tsv"), "--output", folder.File("out.tsv"));
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        StringAssert.Contains(run.Output, "3 vectors of 256 numbers");
        var lines = File.ReadAllLines(folder.File("out.tsv")).Select(l => l.Split('\t')).ToArray();
        Assert.HasCount(4, lines);
        Assert.AreEqual("Embedding:255", lines[0][^1]);
        foreach (var line in lines[1..])
            Assert.AreEqual(1.0, line.Sum(v => Math.Pow(double.Parse(v, System.Globalization.CultureInfo.InvariantCulture), 2)), 1e-4);
    }

    [TestMethod]
    public async Task JsonHasListsThatEqualTheLibrarys()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllLines(folder.File("in.tsv"), Rows);
        var run = await CommandLineRun.InProcess("embed", "--input", folder.File("in.tsv"), "--output", folder.File("out.jsonl"), "--pooling", "first", "--no-normalize", "--prefix", "query: ", "--max-length", "16");
        Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
        var ml = new MLContext();
        using var step = ml.Transforms.Text.RobertaEmbeddings(RobertaCheckpoint.Mini, new() { Pooling = SentencePooling.FirstToken, Normalize = false, Prefix = "query: ", MaxLength = 16 })
            .Fit(ml.Data.LoadFromEnumerable([new Trainers.Topics.Row()]));
        var vectors = File.ReadAllLines(folder.File("out.jsonl")).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("Embedding").EnumerateArray().Select(v => v.GetSingle()).ToArray()).ToArray();
        foreach (var (expected, actual) in step.Embed(Rows[1..]).Zip(vectors))
            CollectionAssert.AreEqual(expected, actual);
    }

    [TestMethod]
    public async Task AnInputWithoutRowsIsToldAndIsNoError()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("in.tsv"), "Text\n");
        var run = await CommandLineRun.InProcess("embed", "--input", folder.File("in.tsv"), "--output", folder.File("out.tsv"));

        Assert.AreEqual(ExitCodes.Success, run.ExitCode);
        StringAssert.EndsWith(run.Errors.Single(), "in.tsv has no rows; nothing was embedded.");
        Assert.HasCount(1, File.ReadAllLines(folder.File("out.tsv")), "a header");
    }

    [TestMethod]
    [DataRow("head-input", "trained head", "--pooling", "head-input")]
    [DataRow("both", "either it or", "--model", "m.mlnet", "--base-model", "mini")]
    [DataRow("parquet", "would be parquet", "--output", "x.parquet")]
    [DataRow("pair", "one text a row", "--text2-column", "Other")]
    public async Task WhatCannotBeIsRefused(string _, string expected, params string[] arguments)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllLines(folder.File("in.tsv"), ["Text\tOther", "The soup.\tThe rain."]);
        string[] output = arguments[0] == "--output" ? [] : ["--output", folder.File("out.tsv")];
        var run = await CommandLineRun.InProcess(["embed", "--input", folder.File("in.tsv"), .. output, .. arguments]);
        Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
        StringAssert.Contains(run.Errors[^1], expected);
        Assert.IsFalse(File.Exists(folder.File("out.tsv")));
    }
}
