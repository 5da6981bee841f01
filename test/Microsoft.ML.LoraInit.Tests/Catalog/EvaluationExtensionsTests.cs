using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Tests.Catalog;

[TestClass]
public sealed class EvaluationExtensionsTests
{
    private readonly MLContext _ml = new(seed: 0);

    // Expected values by hand from Gorodkin's R_K: (c·s − Σ p·t) / √((s² − Σ p²)(s² − Σ t²)).
    [TestMethod]
    [DataRow(new[] { 2, 2, 2, 1 }, new[] { 2, 1, 2, 2 }, -1.0 / 3, DisplayName = "two classes")]
    [DataRow(new[] { 1, 2, 3, 1, 2, 3 }, new[] { 1, 3, 3, 1, 2, 1 }, 0.5222329678670935, DisplayName = "three classes")]
    [DataRow(new[] { 1, 2, 3 }, new[] { 1, 2, 3 }, 1.0, DisplayName = "all right")]
    [DataRow(new[] { 1, 2, 1, 2 }, new[] { 2, 1, 2, 1 }, -1.0, DisplayName = "all wrong")]
    [DataRow(new[] { 1, 2, 1, 2 }, new[] { 1, 1, 1, 1 }, 0.0, DisplayName = "constant prediction")]
    public void MatthewsIsGorodkinsCoefficient(int[] labels, int[] predictions, double expected)
    {
        // Key values of objects count from 0.
        var rows = labels.Zip(predictions, (label, predicted) => new Classified
        {
            Label = (uint)label - 1,
            PredictedLabel = (uint)predicted - 1,
            Score = [.. Enumerable.Range(1, 3).Select(c => c == predicted ? 0.8f : 0.1f)],
        });
        var metrics = _ml.MulticlassClassification.Evaluate(_ml.Data.LoadFromEnumerable(rows));
        Assert.AreEqual(expected, metrics.ConfusionMatrix.MatthewsCorrelation(), 1e-12);
    }

    [TestMethod]
    public void SpearmanGivesTiesTheirMeanRank()
    {
        var metrics = Correlate([1, 2, 2, 3], [1, 3, 2, 4]);
        Assert.AreEqual(4.5 / Math.Sqrt(4.5 * 5), metrics.SpearmanCorrelation, 1e-12);
    }

    [TestMethod]
    public void PearsonSeesLinesAndSpearmanOrder()
    {
        var line = Correlate([1, 2, 3, 4], [-2, -4, -6, -8]);
        Assert.AreEqual(-1, line.PearsonCorrelation, 1e-12);
        Assert.AreEqual(-1, line.SpearmanCorrelation, 1e-12);
        var curve = Correlate([1, 2, 3], [1, 10, 100]);
        Assert.AreEqual(99 / Math.Sqrt(2 * 5994), curve.PearsonCorrelation, 1e-12);
        Assert.AreEqual(1, curve.SpearmanCorrelation, 1e-12);
    }

    [TestMethod]
    public void AConstantHasNoCorrelation()
    {
        var metrics = Correlate([1, 2, 3], [5, 5, 5]);
        Assert.IsTrue(double.IsNaN(metrics.PearsonCorrelation) && double.IsNaN(metrics.SpearmanCorrelation));
    }

    [TestMethod]
    public void WhatCannotBeCorrelatedIsNamed()
    {
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Correlate([1], [1])).Message, "two rows");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Correlate([1, 2], [1, float.NaN])).Message, "'Score' holds NaN in row 2");
        var data = _ml.Data.LoadFromEnumerable([new Valued { Label = 1, Score = 1, Name = "x" }]);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => _ml.Regression.EvaluateCorrelation(data, "Missing")).Message, "'Missing'");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => _ml.Regression.EvaluateCorrelation(data, "Name")).Message, "Single");
    }

    private CorrelationMetrics Correlate(float[] labels, float[] scores) => _ml.Regression.EvaluateCorrelation(
        _ml.Data.LoadFromEnumerable(labels.Zip(scores, (label, score) => new Valued { Label = label, Score = score })));

    private sealed class Classified
    {
        [KeyType(3)]
        public uint Label { get; set; }

        [KeyType(3)]
        public uint PredictedLabel { get; set; }

        [VectorType(3)]
        public float[] Score { get; set; } = [];
    }

    private sealed class Valued
    {
        public float Label { get; set; }

        public float Score { get; set; }

        public string Name { get; set; } = "";
    }
}
