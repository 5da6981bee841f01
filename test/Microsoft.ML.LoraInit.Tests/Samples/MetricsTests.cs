using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Tests.Samples;

/// <summary>What <c>train</c> and <c>evaluate</c> report of rows, the odd ones too.</summary>
[TestClass]
public class MetricsTests
{
    private static readonly MLContext Ml = new(seed: 0);

    [TestMethod]
    public void YesOrNoIsJudgedAsMLNetDoes()
    {
        Answer[] rows = [new(true, 0.9f), new(true, 0.3f), new(false, 0.6f), new(false, 0.1f), new(false, 0.2f), new(true, 0.7f)];
        var mine = Evaluate(rows);
        var theirs = Ml.BinaryClassification.Evaluate(Ml.Data.LoadFromEnumerable(rows));
        Assert.AreEqual(theirs.Accuracy, mine.Accuracy!.Value, 1e-12);
        Assert.AreEqual(theirs.F1Score, mine.F1!.Value, 1e-12);
        Assert.AreEqual(theirs.ConfusionMatrix.MatthewsCorrelation(), mine.Matthews!.Value, 1e-12);
        Assert.AreEqual(theirs.LogLoss * Math.Log(2), mine.LogLoss!.Value, 1e-7);
    }

    [TestMethod]
    [DataRow(true, 0.5, 2.0 / 3)]
    [DataRow(false, 0.5, 0.0)]
    public void RowsOfOneClassAreJudgedToo(bool label, double accuracy, double f1)
    {
        var metrics = Evaluate([new(label, 0.9f), new(label, 0.2f)]);
        Assert.AreEqual(accuracy, metrics.Accuracy);
        Assert.AreEqual(f1, metrics.F1!.Value, 1e-12);
        Assert.AreEqual(0.0, metrics.Matthews);
    }

    [TestMethod]
    public void WithoutAnyTrueThereIsNoF1AndACertainMistakeIsNotInfinite()
    {
        Assert.IsNull(Evaluate([new(false, 0.1f)]).F1);
        Assert.IsTrue(double.IsFinite(Evaluate([new(false, 1), new(true, 0)]).LogLoss!.Value));
    }

    [TestMethod]
    public void OneNumberHasNoCorrelation()
    {
        var metrics = Metrics.Evaluate(Ml, Ml.Data.LoadFromEnumerable<Number>([new(1, 3)]), TaskKind.Regression).Metrics!;
        Assert.AreEqual(4.0, metrics.Mse);
        Assert.IsTrue(metrics is { Pearson: null, Spearman: null });
    }

    private static EpochMetrics Evaluate(Answer[] rows) => Metrics.Evaluate(Ml, Ml.Data.LoadFromEnumerable(rows), TaskKind.Binary).Metrics!;

    private sealed record Answer(bool Label, float Probability)
    {
        public bool PredictedLabel => Probability >= 0.5;

        public float Score => MathF.Log(Probability / (1 - Probability));
    }

    private sealed record Number(float Label, float Score);
}
