using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data.Tasks;

namespace Microsoft.ML.LoraInit.Tests.Catalog;

[TestClass]
public sealed class CalibrationEvaluationTests
{
    private static readonly Row[] Rows =
    [
        new() { Class = 0, Score = [0.8f, 0.1f, 0.1f], Answer = true, Probability = 0.9f, Labels = [1, 0, 0], Probabilities = [0.9f, 0.1f, 0.1f] },
        new() { Class = 1, Score = [0.7f, 0.2f, 0.1f], Answer = false, Probability = 0.9f, Labels = [0, 0, 1], Probabilities = [0.9f, 0.1f, 0.9f] },
        new() { Class = 2, Score = [0.1f, 0.3f, 0.6f], Answer = false, Probability = 0.2f, Labels = [0, 0, 0], Probabilities = [0.1f, 0.1f, 0.1f] },
    ];

    [TestMethod]
    public void ClassesAreJudgedByThePredictedOne()
    {
        var metrics = new MLContext().MulticlassClassification.EvaluateCalibration(View(), "Class", bins: 2);
        // All in the upper half: mean confidence 0.7, two of three right.
        var error = metrics.ExpectedCalibrationError;
        Assert.AreEqual((2.1 - 2) / 3, error, 1e-6);
        Assert.AreEqual((0.04 + 0.01 + 0.01 + 0.49 + 0.64 + 0.01 + 0.01 + 0.09 + 0.16) / 3, metrics.BrierScore, 1e-6);
        Assert.AreEqual((0, 3), (metrics.Bins[0].Count, metrics.Bins[1].Count));
        Assert.AreEqual((0.5, 1.0), (metrics.Bins[1].From, metrics.Bins[1].To));
        Assert.AreEqual(0.7, metrics.Bins[1].MeanProbability, 1e-6);
        Assert.AreEqual(2 / 3.0, metrics.Bins[1].Frequency, 1e-6);
        Assert.IsTrue(double.IsNaN(metrics.Bins[0].Frequency));
    }

    [TestMethod]
    public void YesOrNoIsJudgedByTheProbabilityOfTrue()
    {
        var metrics = new MLContext().BinaryClassification.EvaluateCalibration(View(), "Answer", bins: 2);
        // Upper half: two of 0.9, one true; lower half: one of 0.2, not true.
        Assert.AreEqual(((2 * 0.4) + 0.2) / 3, metrics.ExpectedCalibrationError, 1e-6);
        Assert.AreEqual((0.01 + 0.81 + 0.04) / 3, metrics.BrierScore, 1e-6);
    }

    [TestMethod]
    public void EachLabelOfEachRowCounts()
    {
        var metrics = new MLContext().MulticlassClassification.EvaluateMultiLabelCalibration(View(), "Labels", "Probabilities", bins: 2);
        // Upper half: three of 0.9, two true; lower half: six of 0.1, none true.
        Assert.AreEqual(((3 * (0.9 - (2 / 3.0))) + (6 * 0.1)) / 9, metrics.ExpectedCalibrationError, 1e-6);
        Assert.AreEqual(((8 * 0.01) + 0.81) / 9, metrics.BrierScore, 1e-6);
    }

    [TestMethod]
    public void ByChanceIsTheErrorOfExactProbabilities()
    {
        var random = new Random(5);
        var (errors, byChance) = (0.0, 0.0);
        const int repeats = 200;
        for (int i = 0; i < repeats; i++)
        {
            var counts = new CalibrationCounts();
            for (int row = 0; row < 500; row++)
            {
                double probability = random.NextDouble();
                counts.AddAnswer(probability, random.NextDouble() < probability, 1 + (row % 2));
            }
            var metrics = counts.ToMetrics();
            (errors, byChance) = (errors + (metrics.ExpectedCalibrationError / repeats), byChance + (metrics.ErrorByChance / repeats));
        }
        Assert.AreEqual(errors, byChance, 0.03 * errors);
        Assert.IsTrue(errors > 0.02, $"{errors}: the rows are few enough for chance to show");
    }

    [TestMethod]
    public void WhatCannotBeJudgedIsTold()
    {
        var ml = new MLContext();
        Says("of type Single", () => ml.MulticlassClassification.EvaluateCalibration(View(), "Class", "Probability"));
        Says("no column 'Klass'", () => ml.MulticlassClassification.EvaluateCalibration(View(), "Klass"));
        Says("no rows", () => ml.BinaryClassification.EvaluateCalibration(ml.Data.LoadFromEnumerable(Array.Empty<Row>()), "Answer"));
        var logits = ml.Data.LoadFromEnumerable([new Row { Class = 1, Score = [2, -1, 0], Probability = 2 }]);
        Says("Row 1 has 2 in the column", () => ml.MulticlassClassification.EvaluateCalibration(logits, "Class"));
        Says("Row 1 has 2 in the column", () => ml.BinaryClassification.EvaluateCalibration(logits, "Answer"));
    }

    private static void Says(string part, Action evaluate) => StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(evaluate).Message, part);

    private static IDataView View() => new MLContext().Data.LoadFromEnumerable(Rows);

    private sealed class Row
    {
        [KeyType(3)]
        public uint Class { get; set; }

        [VectorType(3)]
        public float[] Score { get; set; } = [0, 0, 0];

        public bool Answer { get; set; }

        public float Probability { get; set; }

        [VectorType(3)]
        public float[] Labels { get; set; } = [0, 0, 0];

        [VectorType(3)]
        public float[] Probabilities { get; set; } = [0, 0, 0];
    }
}
