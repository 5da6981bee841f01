using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Tests.Catalog;

/// <summary>Expected values are worked out by hand from the definitions.</summary>
[TestClass]
public sealed class MultiLabelEvaluationTests
{
    private const double Tolerance = 1e-12;

    private static readonly Row[] Rows =
    [
        new([true, false, false], [3, -1, -1]),
        new([false, true, false], [2, 1, -2]),
        new([true, true, false], [1, -3, -1]),
        new([false, false, false], [-1, -1, -3]),
    ];

    [TestMethod]
    public void MetricsAreThoseOfTheDefinitions()
    {
        var metrics = Evaluate(Rows);
        // Predicted: a in rows 1 to 3, b in row 2. True: a in 1 and 3, b in 2 and 3. Both: a twice, b once.
        Assert.AreEqual(3 / 4.0, metrics.MicroPrecision, Tolerance);
        Assert.AreEqual(3 / 4.0, metrics.MicroRecall, Tolerance);
        Assert.AreEqual(2 * 3 / 8.0, metrics.MicroF1, Tolerance);
        // F1: a 2·2/(2+3), b 2·1/(2+1); c occurs nowhere.
        Assert.AreEqual((0.8 + 2 / 3.0) / 2, metrics.MacroF1, Tolerance);
        Assert.AreEqual(2 / 4.0, metrics.SubsetAccuracy, Tolerance);
        Assert.AreEqual(2 / 12.0, metrics.HammingLoss, Tolerance);
        // a ranked 1 0 1 0: (1/1 + 2/3) / 2, AUC 3 pairs of 4. b ranked 1, then a tie of two without it, then 1: (1 + 2/4) / 2.
        Assert.AreEqual((1 + 2 / 3.0) / 2, metrics.PerLabel[0].AveragePrecision, Tolerance);
        Assert.AreEqual(3 / 4.0, metrics.PerLabel[0].AreaUnderRocCurve, Tolerance);
        Assert.AreEqual((1 + 2 / 4.0) / 2, metrics.PerLabel[1].AveragePrecision, Tolerance);
        Assert.AreEqual(2 / 4.0, metrics.PerLabel[1].AreaUnderRocCurve, Tolerance);
        Assert.IsTrue(double.IsNaN(metrics.PerLabel[2].AveragePrecision));
        Assert.IsTrue(double.IsNaN(metrics.PerLabel[2].AreaUnderRocCurve));
        Assert.AreEqual(((1 + 2 / 3.0) / 2 + 0.75) / 2, metrics.MeanAveragePrecision, Tolerance);
        Assert.AreEqual((0.75 + 0.5) / 2, metrics.MeanAreaUnderRocCurve, Tolerance);
        Assert.AreEqual(2, metrics.PerLabel[1].Positives);
        Assert.AreEqual(0.5, metrics.PerLabel[1].Recall, Tolerance);
        Assert.AreEqual(1, metrics.PerLabel[1].Precision, Tolerance);
    }

    [TestMethod]
    public void EqualScoresOnBothSidesCountHalf()
    {
        var metrics = Evaluate([new([true, false, false], [1, 0, 0]), new([false, false, false], [1, 0, 0])]);
        Assert.AreEqual(0.5, metrics.PerLabel[0].AreaUnderRocCurve, Tolerance);
        Assert.AreEqual(0.5, metrics.PerLabel[0].AveragePrecision, Tolerance);
    }

    [TestMethod]
    public void WhatCannotBeJudgedIsTold()
    {
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Evaluate([])).Message, "no rows");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Evaluate([new([true, false, false], [1, float.NaN, 0])])).Message, "slot 1");
        var ml = new MLContext();
        var view = ml.Data.LoadFromEnumerable(Rows);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => ml.MulticlassClassification.EvaluateMultiLabel(view, "Labels")).Message, "'Labels'");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => ml.MulticlassClassification.EvaluateMultiLabel(view, scoreColumnName: "Label")).Message, "Single");
    }

    private static MultiLabelClassificationMetrics Evaluate(Row[] rows)
    {
        var ml = new MLContext();
        return ml.MulticlassClassification.EvaluateMultiLabel(ml.Data.LoadFromEnumerable(rows));
    }

    private sealed class Row(bool[] label, float[] score)
    {
        [VectorType(3)]
        public bool[] Label { get; set; } = label;

        [VectorType(3)]
        public float[] Score { get; set; } = score;

        [VectorType(3)]
        public bool[] PredictedLabel { get; set; } = [.. score.Select(s => s > 0)];
    }
}
