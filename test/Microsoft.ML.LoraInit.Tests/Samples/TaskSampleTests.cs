using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Samples.Commands;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary><c>sample</c>: every task runs and finds out more than a guess does.</summary>
[TestClass]
public sealed class TaskSampleTests
{
    [TestMethod]
    public async Task ExplainRunsInSecondsAndItsWordsMakeUpTheScore()
    {
        var run = await CommandLineRun.InProcess("sample", "explain", "--epochs", "1");

        Assert.AreEqual(0, run.ExitCode, string.Join('\n', run.Errors));
        StringAssert.Contains(run.Output, "  parcel ");
        var rows = Regex.Matches(run.Output, @"difference (-?[\d.]+), not accounted for (-?[\d.]+)");
        Assert.AreEqual(3, rows.Count);
        foreach (Match row in rows)
            Assert.IsTrue(Math.Abs(Number(row.Groups[2].Value)) <= Math.Max(0.02, 0.03 * Math.Abs(Number(row.Groups[1].Value))), row.Value);
    }

    [TestMethod]
    [TestCategory("Long")]
    [DataRow("sentiment", "accuracy", 0.65)]
    [DataRow("intents", "accuracy", 0.5)]
    [DataRow("similarity", "Pearson", 0.5)]
    [DataRow("multilabel", "micro F1", 0.7)]
    public async Task ASampleBeatsAGuessByFar(string sample, string metric, double least)
    {
        var run = await CommandLineRun.InProcess("sample", sample);

        Assert.AreEqual(0, run.ExitCode, string.Join('\n', run.Errors));
        Assert.IsTrue(Number(Regex.Match(run.Output, $@"{metric} +([\d.]+)").Groups[1].Value) > least, run.Output);
    }

    [TestMethod]
    [TestCategory("Long")]
    public async Task ClassWeightsFindMoreOfTheRareClass()
    {
        var run = await CommandLineRun.InProcess("sample", "imbalanced");

        Assert.AreEqual(0, run.ExitCode, string.Join('\n', run.Errors));
        Assert.IsTrue(Recall("balanced") > Recall("none"), run.Output);

        double Recall(string weights) => Number(Regex.Match(run.Output, $@"\n  {weights} +([\d.]+)").Groups[1].Value);
    }

    [TestMethod]
    [TestCategory("Long")]
    public async Task SmallDataNeedsMoreThanTheDefaults()
    {
        var run = await CommandLineRun.InProcess("sample", "small-data");

        Assert.AreEqual(0, run.ExitCode, string.Join('\n', run.Errors));
        Assert.IsTrue(Accuracy("… all linear layers") > Accuracy("the defaults"), run.Output);

        double Accuracy(string trial) => Number(Regex.Match(run.Output, $@"\n  {trial} +\d+ +\d+ +[\d.]+ +([\d.]+)").Groups[1].Value);
    }

    [TestMethod]
    [TestCategory("Long")]
    public async Task NewClassesLeaveOldOnesAliveWithSdLoraAlone()
    {
        var run = await CommandLineRun.InProcess("sample", "new-classes");

        Assert.AreEqual(0, run.ExitCode, string.Join('\n', run.Errors));
        var first = Regex.Matches(run.Output, @"after stage 3: .*by stage +([\d.]+) %").Select(m => Number(m.Groups[1].Value)).ToArray();
        Assert.AreEqual(2, first.Length, run.Output);
        Assert.IsTrue(first[0] > first[1] + 20, run.Output);
    }

    [TestMethod]
    [TestCategory("Long")]
    public async Task WhatOthersKnowHelpsWhereRowsAreFew()
    {
        var run = await CommandLineRun.InProcess("sample", "fusion");

        Assert.AreEqual(0, run.ExitCode, string.Join('\n', run.Errors));
        Assert.IsTrue(OfTwoRows("the three, fused") > OfTwoRows("fresh bottlenecks") + 5, run.Output);

        double OfTwoRows(string trial) => Number(Regex.Match(run.Output, $@"\n  {trial} +([\d.]+) ±").Groups[1].Value);
    }

    [TestMethod]
    [TestCategory("Long")]
    public async Task EmbeddingsTellClassesApart()
    {
        var run = await CommandLineRun.InProcess("sample", "embeddings", "--epochs", "1");

        Assert.AreEqual(0, run.ExitCode, string.Join('\n', run.Errors));
        Assert.IsTrue(Regex.Matches(run.Output, @"accuracy +([\d.]+)").All(m => Number(m.Groups[1].Value) > 0.5), run.Output);
        Assert.AreEqual(9, Regex.Matches(run.Output, @"\n    -?\d\.\d{3}  ").Count, "three neighbours of three texts");
    }

    [TestMethod]
    public void TheDataIsWhole()
    {
        foreach (var (name, columns) in ((string, int)[])[("reviews", 2), ("commands", 2), ("pairs", 3), ("tickets", 7)])
        {
            var (train, test) = (Rows(name, "train"), Rows(name, "test"));
            Assert.IsTrue(train.Concat(test).All(r => r.Length == columns && r.All(c => c.Length > 0)), name);
            Assert.IsTrue(train.Length >= 300 && test.Length >= 100, name);
            string Key(string[] row) => name == "pairs" ? $"{row[1]}|{row[2]}" : row[^1];
            Assert.AreEqual(0, train.Select(Key).Intersect(test.Select(Key)).Count(), $"{name}: test rows occur in training");
            if (columns == 2)
                CollectionAssert.AreEquivalent(train.Select(r => r[0]).Distinct().ToArray(), test.Select(r => r[0]).Distinct().ToArray(), name);
        }
        Assert.AreEqual(24, Rows("commands", "train").Select(r => r[0]).Distinct().Count());

        static string[][] Rows(string name, string part) =>
            [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Data", $"{name}.{part}.tsv")).Skip(1).Select(l => l.Split('\t'))];
    }

    [TestMethod]
    public async Task AnUnknownSampleIsRefused()
    {
        Assert.AreEqual(2, (await CommandLineRun.InProcess("sample", "nothing")).ExitCode);
        Assert.AreEqual(11, SampleCommand.All.Select(s => s.Name).Distinct().Count());
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
