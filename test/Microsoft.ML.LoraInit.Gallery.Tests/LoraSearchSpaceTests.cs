using Microsoft.ML.AutoML;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Samples.AutoML;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.AutoML;

/// <summary>The trainers' settings as a search space of ML.NET's AutoML.</summary>
[TestClass]
public class LoraSearchSpaceTests
{
    [TestMethod]
    public void TheSpacesDefaultIsTheTrainersDefault()
    {
        var space = new LoraSearchSpace();
        var taken = space.ToSearchSpace();
        CollectionAssert.AreEquivalent(new[] { "Initialization", "Rank", "Alpha", "LearningRate" }, taken.Keys.ToArray());
        var defaults = new LoraTextClassificationTrainer.Options();
        var options = new LoraTextClassificationTrainer.Options { Initialization = LoraInitialization.Eva(), Rank = 1, Alpha = 1, InitialLearningRate = 1 };
        space.Apply(taken.SampleFromFeatureSpace(taken.Default), options);
        Assert.AreEqual((defaults.Initialization, defaults.Rank, defaults.Alpha), (options.Initialization, options.Rank, options.Alpha));
        Assert.AreEqual(defaults.InitialLearningRate, options.InitialLearningRate, 1e-9);
    }

    [TestMethod]
    public void EveryPointIsOneOfTheSpaceAndAllAreReached()
    {
        var space = new LoraSearchSpace
        {
            Initializations = [LoraInitialization.Pissa(), LoraInitialization.Parse("pissa:iterations=16"), LoraInitialization.Milora()],
            Ranks = [2, 4],
            Alphas = [4, 8, 32],
            MinLearningRate = 1e-4,
            MaxLearningRate = 1e-2,
        };
        var taken = space.ToSearchSpace();
        var random = new Random(3);
        var seen = new HashSet<string>();
        for (var i = 0; i < 300; i++)
        {
            var options = new LoraTextRegressionTrainer.Options();
            space.Apply(taken.SampleFromFeatureSpace([.. Enumerable.Range(0, taken.FeatureSpaceDim).Select(_ => random.Next(1000) / 999.0)]), options);
            Assert.IsTrue(space.Initializations.Contains(options.Initialization) && space.Ranks.Contains(options.Rank) && space.Alphas.Contains(options.Alpha));
            Assert.IsTrue(options.InitialLearningRate is >= 0.99999e-4 and <= 1.00001e-2, $"{options.InitialLearningRate}");
            seen.Add($"{space.Initializations.ToList().IndexOf(options.Initialization)} {options.Rank} {options.Alpha}");
        }
        Assert.AreEqual(3 * 2 * 3, seen.Count);
    }

    [TestMethod]
    public void WrongSpacesAndPointsAreRefused()
    {
        foreach (var (wrong, expected) in new (LoraSearchSpace, string)[]
        {
            (new() { Initializations = [] }, "Initializations is empty"), (new() { Ranks = [4, 4] }, "Ranks has a value twice"), (new() { Ranks = [4, 0] }, "Ranks has 0"),
            (new() { Alphas = [double.NaN] }, "Alphas has NaN"), (new() { MinLearningRate = 1e-2, MaxLearningRate = 1e-3 }, "are no range"), (new() { MinLearningRate = 0 }, "are no range"),
        })
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => wrong.ToSearchSpace()).Message, expected);
        var other = new LoraSearchSpace { Initializations = [LoraInitialization.Eva()] }.ToSearchSpace();
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => new LoraSearchSpace().Apply(other.SampleFromFeatureSpace(other.Default), new LoraTextClassificationTrainer.Options())).Message, "'eva'");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => new LoraSearchSpace().Apply(Microsoft.ML.SearchSpace.Parameter.CreateNestedParameter(), new LoraTextClassificationTrainer.Options())).Message, "'Initialization'");
    }

    [TestMethod]
    public void TheSampleBeginsWithTheDefaultAndFindsNothingWorse()
    {
        using var folder = new TemporaryFolder();
        foreach (var (name, rows) in new[] { ("train.tsv", Topics.Rows.Where(r => r.Number % 5 != 4)), ("test.tsv", Topics.Rows.Where(r => r.Number % 5 == 4)) })
            File.WriteAllLines(folder.File(name), ["Label\tText", .. rows.Select(r => $"{r.Label}\t{r.Text}")]);
        var said = new List<string>();
        var outcome = SettingSearch.Run(new MLContext(seed: 0), folder.File("train.tsv"), folder.File("test.tsv"), seconds: 600, trials: 3, maxEpochs: 1, said.Add);
        Assert.AreEqual(3, said.Count, string.Join('\n', said));
        StringAssert.EndsWith(said[0], "kaiming, rank 8, alpha 16, learning rate 1.0e-3");
        Assert.AreEqual(3, said.Select(s => s.Split(" s  ")[1]).Distinct().Count(), string.Join('\n', said));
        Assert.IsTrue(outcome.Best >= outcome.Default && outcome.Default is > 0 and <= 1);
        Assert.IsTrue(said.Any(s => s.EndsWith(outcome.BestSetting, StringComparison.Ordinal)));
    }

    [TestMethod]
    public void TheOtherTrainersAreSweepableToo()
    {
        var ml = Topics.Context();
        var binary = ml.Auto().LoraBinaryTextClassification(() => Topics.Binary());
        var regression = ml.Auto().LoraTextRegression(() => Topics.Regression());
        var shape = Topics.Shape(Topics.View(ml));
        Assert.IsNotNull(binary.BuildFromOption(ml, binary.Parameter).GetOutputSchema(shape).First(c => c.Name == "Probability").Name);
        Assert.AreEqual("Score", regression.BuildFromOption(ml, regression.Parameter).GetOutputSchema(shape).Last().Name);
    }

    [TestMethod]
    public void ModelsThatLoseAreDisposed()
    {
        var seen = new List<double>();
        var monitor = new LoraTrialMonitor(trial => seen.Add(trial.Loss));
        TrialResult[] trials = [.. new[] { 0.5, 0.7, 0.3, double.NaN, 0.3 }.Select((loss, i) => new TrialResult { Loss = loss, Model = new Model(), TrialSettings = new() { TrialId = i } })];
        foreach (var trial in trials)
            monitor.ReportCompletedTrial(trial);
        CollectionAssert.AreEqual(new[] { true, true, false, true, true }, trials.Select(t => ((Model)t.Model).Disposed).ToArray());
        Assert.AreEqual(5, seen.Count);
    }

    private sealed class Model : ITransformer, IDisposable
    {
        public bool Disposed { get; private set; }

        public bool IsRowToRowMapper => false;

        public void Dispose() => Disposed = true;

        public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => throw new NotSupportedException();

        public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => throw new NotSupportedException();

        public IDataView Transform(IDataView input) => throw new NotSupportedException();

        public void Save(ModelSaveContext ctx) => throw new NotSupportedException();
    }
}
