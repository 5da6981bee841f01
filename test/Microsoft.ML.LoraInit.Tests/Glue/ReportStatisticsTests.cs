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
    public void TheIntervalIsStudentsT()
    {
        // SciPy: ttest_1samp([0.01, 0.03, 0.02, 0.05, 0.04], 0), t.interval(0.95, 4).
        var difference = PairedT.Of([0.01, 0.03, 0.02, 0.05, 0.04]);
        Assert.AreEqual(0.03, difference.Mean, 1e-12);
        Assert.AreEqual(0.03 - 2.7764451052 * 0.0158113883 / Math.Sqrt(5), difference.Low!.Value, 1e-10);
        Assert.AreEqual(0.03 + 2.7764451052 * 0.0158113883 / Math.Sqrt(5), difference.High!.Value, 1e-10);
        Assert.AreEqual(0.0132348, difference.P!.Value, 1e-6);
        Assert.AreEqual(12.706205 * 0.0141421356 / Math.Sqrt(2), PairedT.Of([0.01, 0.03]).High!.Value - 0.02, 1e-7);
    }

    [TestMethod]
    public void OnePairOrNoSpreadMakesNoInterval()
    {
        Assert.AreEqual(new Difference(3, null, null, 1), PairedT.Of([3.0]));
        Assert.AreEqual(new Difference(0.5, null, null, 6), PairedT.Of([0.5, 0.5, 0.5, 0.5, 0.5, 0.5]));
        Assert.AreEqual(0, PairedT.Of([]).Pairs);
        Assert.IsNull(PairedT.Of([0.1, double.NaN]).Low);
    }

    [TestMethod]
    public void HolmMultipliesStepByStep()
    {
        // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
        double[] expected = [0.03, 0.06, 0.06, 0.02];
        foreach (var (e, a) in expected.Zip(PairedT.Holm([0.01, 0.04, 0.03, 0.005])))
            Assert.AreEqual(e, a, 1e-12);
        CollectionAssert.AreEqual(new[] { 1.0, 1.0 }, PairedT.Holm([0.9, 0.8]));
    }

    [TestMethod]
    public void FewerThanFivePairsAreNeverTestedNorMarked()
    {
        double[] steady = [0.100, 0.101, 0.100, 0.101, 0.100];
        var corrected = PairedT.Correct([PairedT.Of(steady[..4]), PairedT.Of(steady), null, PairedT.Of([.. steady.Select(d => -d)])]);
        Assert.AreEqual(CellMark.None, corrected[0]!.Value.Mark);
        Assert.IsNull(corrected[0]!.Value.AdjustedP);
        Assert.AreEqual(CellMark.Better, corrected[1]!.Value.Mark);
        Assert.AreEqual(CellMark.Worse, corrected[3]!.Value.Mark);
        Assert.AreEqual(2 * corrected[1]!.Value.P!.Value, corrected[1]!.Value.AdjustedP!.Value, 1e-12);
    }

    [TestMethod]
    [DataRow(5)]
    [DataRow(8)]
    public void WhereNothingDiffersAtMostFiveTablesInAHundredHaveAMark(int seeds)
    {
        // 15 strategies on 4 tasks against one reference: its seeds enter every difference of a task, as they do in a report.
        const int tables = 2000;
        var random = new Random(20251003);
        double[] Draw() => [.. Enumerable.Range(0, seeds).Select(_ => Normal(random))];
        var (marked, outside) = (0, 0);
        for (var table = 0; table < tables; table++)
        {
            var differences = Enumerable.Range(0, 4).SelectMany(_ =>
            {
                var reference = Draw();
                return Enumerable.Range(0, 15).Select(_ => (Difference?)PairedT.Of([.. Draw().Zip(reference, (a, b) => a - b)])).ToArray();
            }).ToArray();
            outside += differences.Count(d => d!.Value.Low > 0 || d.Value.High < 0);
            marked += PairedT.Correct(differences).Any(d => d!.Value.Mark != CellMark.None) ? 1 : 0;
        }
        // Two standard errors of the simulation above the level that Holm's correction holds.
        Assert.IsTrue(marked <= (0.05 + 2 * Math.Sqrt(0.05 * 0.95 / tables)) * tables, $"{marked} of {tables} tables have a mark");
        Assert.IsTrue(marked > 0, "a test that never marks is no test");
        Assert.AreEqual(0.05, outside / (60.0 * tables), 0.01, "the intervals do not cover what they say");
    }

    [TestMethod]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(5)]
    public void AReportOnRunsThatDifferByTheirSeedsAloneMarksAtMostFiveInAHundred(int seeds)
    {
        var random = new Random(11);
        string[] strategies = ["kaiming", "pissa", "eva", "olora"];
        var marks = Enumerable.Range(0, 60).SelectMany(_ =>
        {
            var runs = strategies.SelectMany(s => Enumerable.Range(0, seeds).Select(seed => TestRuns.Finished(TestRuns.Config("cola", s, seed: seed), 0.5 + 0.02 * Normal(random)))).ToArray();
            return ReportBuilder.Build(runs).Sections.Single().Rows.Skip(1).Select(r => r.Cells["cola"].Difference!.Value.Mark != CellMark.None);
        }).ToArray();
        Assert.IsTrue(marks.Count(m => m) <= (seeds < Difference.FewestPairs ? 0 : 0.05 * marks.Length), $"{marks.Count(m => m)} of {marks.Length} differences are marked");
    }

    [TestMethod]
    public void BoldIsTheHighestAmongCellsOfEqualN()
    {
        Assert.IsNull(Spread.Highest([new(0.9, null, 1), new(0.8, null, 1)]), "one seed shows nothing");
        Assert.IsNull(Spread.Highest([new(0.9, 0.1, 5), new(0.8, 0.1, 6)]), "nothing to compare with");
        var highest = Spread.Highest([new(0.9, 0.1, 3), new(0.7, 0.1, 5), null, new(0.8, 0.1, 5)]);
        Assert.AreEqual((5, 0.8), highest!.Value);
        Assert.IsTrue(new Spread(0.8, 0.2, 5).Is(highest));
        Assert.IsFalse(new Spread(0.8, 0.2, 3).Is(highest));
    }

    [TestMethod]
    public void TheDifferenceOverTasksIsPairedBySeedsThatHaveThemAll()
    {
        RunRecord[] Of(string init, double more, int seedsOfRte) =>
        [
            .. Enumerable.Range(0, 5).Select(s => TestRuns.Finished(TestRuns.Config("cola", init, seed: s), 0.5 + more + 0.001 * s * (more > 0 ? 2 : 1))),
            .. Enumerable.Range(0, seedsOfRte).Select(s => TestRuns.Finished(TestRuns.Config("rte", init, seed: s), 0.6 + 3 * more)),
        ];
        var row = ReportBuilder.Build([.. Of("kaiming", 0, 5), .. Of("pissa", 0.01, 2)]).Sections.Single().Rows[1];
        Assert.AreEqual(5, row.Cells["cola"].Difference!.Value.Pairs);
        Assert.AreEqual(CellMark.Better, row.Cells["cola"].Difference!.Value.Mark);
        Assert.AreEqual(2, row.Difference!.Value.Pairs);
        Assert.AreEqual(0.02 + 0.0005 / 2, row.Difference!.Value.Mean, 1e-12);
        Assert.AreEqual(CellMark.None, row.Difference!.Value.Mark);
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
        Assert.AreEqual(0.04 - 12.706205 * 0.01, difference.Low!.Value, 1e-7);
        Assert.AreEqual(CellMark.None, difference.Mark);
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

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
