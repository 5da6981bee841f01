using Microsoft.ML.LoraInit.Samples.Glue.Report;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Tests.Glue;

[TestClass]
public class ReportStatisticsTests
{
    [TestMethod]
    public void SpreadIsTheSampleDeviation()
    {
        var spread = Spread.Of([2, 4, 4, 4, 5, 5, 7, 9]);
        Assert.AreEqual(5, spread.Mean);
        Assert.AreEqual(Math.Sqrt(32.0 / 7), spread.Deviation!.Value, 1e-12);
        Assert.IsNull(Spread.Of([3]).Deviation);
        Assert.AreEqual(0, Spread.Of([]).Count);
    }

    [TestMethod]
    public void QuantilesInterpolateAsNumPyDoes()
    {
        Assert.AreEqual(1.75, Bootstrap.Quantile([1, 2, 3, 4], 0.25), 1e-12);
        Assert.AreEqual(4, Bootstrap.Quantile([1, 2, 3, 4], 1), 1e-12);
    }

    [TestMethod]
    public void TheIntervalOfManyPairsIsThatOfTheNormalDistribution()
    {
        var random = new Random(3);
        var values = Enumerable.Range(0, 400).Select(_ => 1 + Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())).ToArray();
        var interval = Bootstrap.Interval([values]);
        var half = 1.96 * Spread.Of(values).Deviation!.Value / Math.Sqrt(values.Length);
        Assert.AreEqual(interval.Mean - half, interval.Low!.Value, 0.1 * half);
        Assert.AreEqual(interval.Mean + half, interval.High!.Value, 0.1 * half);
        Assert.AreEqual(interval, Bootstrap.Interval([values]), "the same data must give the same interval");
    }

    [TestMethod]
    public void TasksCountAlikeAndOnePairMakesNoInterval()
    {
        var interval = Bootstrap.Interval([[1.0, 1, 1, 1], [3.0, 3]]);
        Assert.AreEqual(new Difference(2, 2, 2, 6), interval);
        Assert.AreEqual(new Difference(2, null, null, 5), Bootstrap.Interval([[1.0, 1, 1, 1], [3.0]]));
        Assert.AreEqual(0, Bootstrap.Interval([[]]).Pairs);
    }

    [TestMethod]
    public void TheRateIsSelectedByTheMeanAmongCompleteRates()
    {
        RateResult Result(double rate, double mean, int count) =>
            new(rate, Enumerable.Range(0, count).ToDictionary(seed => seed, _ => mean), [.. Enumerable.Range(count, 3 - count)]);
        Assert.AreEqual(1e-3, RateSelection.Best([Result(1e-4, 0.5, 3), Result(1e-3, 0.6, 3)])!.Rate);
        Assert.AreEqual(1e-4, RateSelection.Best([Result(1e-4, 0.5, 3), Result(1e-3, 0.6, 1)])!.Rate, "a survivor must not win");
        Assert.AreEqual(1e-4, RateSelection.Best([Result(1e-4, 0.5, 3), Result(1e-3, double.NaN, 3)])!.Rate);
        Assert.AreEqual(1e-4, RateSelection.Best([Result(1e-4, 0.5, 3), Result(1e-3, 0.5, 3)])!.Rate);
        Assert.IsNull(RateSelection.Best([Result(1e-4, double.NaN, 0)]));
    }

    [TestMethod]
    public void DifferencesArePairedBySeedAtEachStrategysOwnRate()
    {
        RunRecord[] runs =
        [
            TestRuns.Finished(TestRuns.Config(rate: 1e-3, seed: 0), 0.50), TestRuns.Finished(TestRuns.Config(rate: 1e-3, seed: 1), 0.60),
            TestRuns.Finished(TestRuns.Config(rate: 1e-4, seed: 0), 0.10), TestRuns.Finished(TestRuns.Config(rate: 1e-4, seed: 1), 0.10),
            // Better at the other rate, and with a seed that the reference lacks.
            TestRuns.Finished(TestRuns.Config("cola", "pissa", 1e-4, 0), 0.55), TestRuns.Finished(TestRuns.Config("cola", "pissa", 1e-4, 1), 0.63),
            TestRuns.Finished(TestRuns.Config("cola", "pissa", 1e-4, 2), 0.99),
            TestRuns.Finished(TestRuns.Config("cola", "pissa", 1e-3, 0), 0.20), TestRuns.Finished(TestRuns.Config("cola", "pissa", 1e-3, 1), 0.20),
            TestRuns.Finished(TestRuns.Config("cola", "pissa", 1e-3, 2), 0.20),
        ];
        var rows = ReportBuilder.Build(runs).Sections.Single().Rows;
        CollectionAssert.AreEqual(new[] { "kaiming", "pissa" }, rows.Select(r => r.Label).ToArray());
        Assert.AreEqual(1e-3, rows[0].Cells["cola"].Rate);
        Assert.AreEqual(1e-4, rows[1].Cells["cola"].Rate);
        Assert.IsTrue(rows[0].IsReference);
        Assert.IsNull(rows[0].Difference);
        var difference = rows[1].Cells["cola"].Difference!.Value;
        Assert.AreEqual(2, difference.Pairs);
        Assert.AreEqual(0.04, difference.Mean, 1e-12);
        Assert.AreEqual(0.03, difference.Low!.Value, 1e-12);
        Assert.AreEqual(0.05, difference.High!.Value, 1e-12);
    }

    [TestMethod]
    public void TheAverageNeedsEveryTaskAndSpreadsOverSeeds()
    {
        RunRecord[] runs =
        [
            TestRuns.Finished(TestRuns.Config("cola", seed: 0), 0.5), TestRuns.Finished(TestRuns.Config("cola", seed: 1), 0.7),
            TestRuns.Finished(TestRuns.Config("rte", seed: 0), 0.6), TestRuns.Finished(TestRuns.Config("rte", seed: 1), 0.8),
            TestRuns.Finished(TestRuns.Config("rte", "pissa"), 0.9), TestRuns.Failed(TestRuns.Config("cola", "pissa")),
        ];
        var model = ReportBuilder.Build(runs);
        var rows = model.Sections.Single().Rows;
        Assert.AreEqual(0.65, rows[0].Average!.Value.Mean, 1e-12);
        Assert.AreEqual(Math.Sqrt(0.02), rows[0].Average!.Value.Deviation!.Value, 1e-12);
        Assert.IsNull(rows[1].Average);
        Assert.AreEqual(1, model.Failed.Count);
    }

    [TestMethod]
    public void WhatDiffersMakesRowsAndIsNamed()
    {
        var config = TestRuns.Config();
        RunRecord[] runs =
        [
            TestRuns.Finished(config, 0.5), TestRuns.Finished(config with { Rank = 4 }, 0.5), TestRuns.Finished(config with { Epochs = 9 }, 0.5),
            TestRuns.Finished(config with { Method = "dora" }, 0.5), TestRuns.Finished(TestRuns.Config("cola", Methods.NoInitialization, method: "full"), 0.5),
        ];
        CollectionAssert.AreEqual(
            new[] { "full (epochs=3)", "kaiming (r=4, epochs=3)", "kaiming (r=8, epochs=3)", "kaiming (r=8, epochs=9)", "dora, kaiming (r=8, epochs=3)" },
            ReportBuilder.Build(runs).Sections.Single().Rows.Select(r => r.Label).ToArray());
        // Other epochs for another task are one recipe, not two rows.
        Assert.AreEqual(1, ReportBuilder.Build([TestRuns.Finished(config, 0.5), TestRuns.Finished(config with { Task = "rte", Epochs = 9 }, 0.5)]).Sections.Single().Rows.Count);
    }
}
