using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Data.Tasks;

/// <summary>Expected values are worked out by hand from the metrics' definitions, as the comments show.</summary>
[TestClass]
public class TextTaskTests
{
    private const double Tolerance = 1e-12;

    // Two classes: actual 1 1 1 0 0 0 0 0, predicted 1 1 0 1 0 0 0 0 → tp 2, fn 1, fp 1, tn 4.
    private static readonly float[] BinaryLabels = [1, 1, 1, 0, 0, 0, 0, 0];
    private static readonly float[][] BinaryLogits = [[2], [1], [-1], [3], [-2], [-1], [-1], [-4]];

    [TestMethod]
    public void BinaryMetricsAreThoseOfTheConfusionMatrix()
    {
        var metrics = new BinaryTask().Evaluate(BinaryLogits, BinaryLabels, null);
        Assert.AreEqual(6.0 / 8, metrics.Accuracy!.Value, Tolerance);
        Assert.AreEqual(2 * 2 / (2.0 * 2 + 1 + 1), metrics.F1!.Value, Tolerance);
        Assert.AreEqual((2 * 4 - 1 * 1) / Math.Sqrt(3.0 * 3 * 5 * 5), metrics.Matthews!.Value, Tolerance);
        // −ln σ(±z), one term a row.
        double[] margins = [2, 1, -1, -3, 2, 1, 1, 4];
        Assert.AreEqual(margins.Average(m => Math.Log(1 + Math.Exp(-m))), metrics.LogLoss!.Value, Tolerance);
        Assert.IsNull(metrics.Pearson);
        Assert.IsNull(metrics.Mse);
    }

    [TestMethod]
    public void AWeightCountsAsThatManyRows()
    {
        var weighted = new BinaryTask().Evaluate(BinaryLogits[..4], BinaryLabels[..4], [1, 2, 3, 1]);
        var repeated = new BinaryTask().Evaluate(
            [BinaryLogits[0], BinaryLogits[1], BinaryLogits[1], BinaryLogits[2], BinaryLogits[2], BinaryLogits[2], BinaryLogits[3]],
            [1, 1, 1, 1, 1, 1, 0], null);
        Assert.AreEqual(repeated.Accuracy!.Value, weighted.Accuracy!.Value, Tolerance);
        Assert.AreEqual(repeated.F1!.Value, weighted.F1!.Value, Tolerance);
        Assert.AreEqual(repeated.Matthews!.Value, weighted.Matthews!.Value, Tolerance);
        Assert.AreEqual(repeated.LogLoss!.Value, weighted.LogLoss!.Value, Tolerance);
    }

    [TestMethod]
    public void MulticlassMetricsAreThoseOfTheConfusionMatrix()
    {
        // actual    0 0 1 1 2 2 2
        // predicted 0 1 1 1 2 0 2
        int[] predicted = [0, 1, 1, 1, 2, 0, 2];
        var logits = predicted.Select(p => Enumerable.Range(0, 3).Select(c => c == p ? 1f : 0f).ToArray()).ToArray();
        var metrics = new MulticlassTask(3).Evaluate(logits, [0, 0, 1, 1, 2, 2, 2], null);
        Assert.AreEqual(5.0 / 7, metrics.Accuracy!.Value, Tolerance);
        // F1 by class: 2·1/(2+2), 2·2/(2+3), 2·2/(3+2).
        Assert.AreEqual((0.5 + 0.8 + 0.8) / 3, metrics.F1!.Value, Tolerance);
        // Gorodkin: (c·s − Σ pₖtₖ) / √((s² − Σpₖ²)(s² − Σtₖ²)); c = 5, s = 7, t = (2, 2, 3), p = (2, 3, 2).
        Assert.AreEqual((5 * 7 - (2 * 2 + 2 * 3 + 3 * 2)) / Math.Sqrt((49.0 - 17) * (49 - 17)), metrics.Matthews!.Value, Tolerance);
        // Every row's largest logit is 1 and the others 0.
        var norm = Math.Log(Math.E + 2);
        Assert.AreEqual((5 * (norm - 1) + 2 * norm) / 7, metrics.LogLoss!.Value, 1e-7);
    }

    [TestMethod]
    public void TwoClassesHaveTheSecondAsThePositiveOne()
    {
        var twoLogits = Array.ConvertAll(BinaryLogits, z => new[] { 0f, z[0] });
        var two = new MulticlassTask(2).Evaluate(twoLogits, BinaryLabels, null);
        var one = new BinaryTask().Evaluate(BinaryLogits, BinaryLabels, null);
        Assert.AreEqual(one.F1!.Value, two.F1!.Value, Tolerance);
        Assert.AreEqual(one.Matthews!.Value, two.Matthews!.Value, Tolerance);
        Assert.AreEqual(one.LogLoss!.Value, two.LogLoss!.Value, 1e-7);
    }

    [TestMethod]
    public void ClassesThatDoNotOccurAreLeftOutOfTheMeanF1()
    {
        var metrics = new MulticlassTask(4).Evaluate([[1, 0, 0, 0], [0, 1, 0, 0]], [0, 1], null);
        Assert.AreEqual(1.0, metrics.F1!.Value, Tolerance);
        Assert.AreEqual(1.0, metrics.Matthews!.Value, Tolerance);
    }

    [TestMethod]
    public void ConstantPredictionsHaveMatthewsZero() =>
        Assert.AreEqual(0.0, new BinaryTask().Evaluate([[1], [1], [1]], [1, 0, 1], null).Matthews!.Value, Tolerance);

    [TestMethod]
    public void CorrelationsAreThoseOfTheDefinition()
    {
        // x = 1 2 3 4 5, y = 2 1 4 3 7: Σdxdy = 12, Σdx² = 10, Σdy² = 21.2; ranks of y are 2 1 4 3 5, Σd² = 4 → ρ = 1 − 6·4/(5·24).
        var metrics = new RegressionTask().Evaluate([[1], [2], [3], [4], [5]], [2, 1, 4, 3, 7], null);
        Assert.AreEqual(12 / Math.Sqrt(10 * 21.2), metrics.Pearson!.Value, Tolerance);
        Assert.AreEqual(0.8, metrics.Spearman!.Value, Tolerance);
        Assert.AreEqual((1 + 1 + 1 + 1 + 4) / 5.0, metrics.Mse!.Value, Tolerance);
        Assert.IsNull(metrics.Accuracy);
    }

    [TestMethod]
    public void TiesShareTheirAverageRank()
    {
        CollectionAssert.AreEqual(new[] { 1.0, 3, 3, 5, 3 }, RegressionMetrics.Ranks([0.5, 2, 2, 9, 2]));
        // scipy.stats.spearmanr([1, 2, 2, 3], [1, 3, 2, 3]) = Pearson of (1, 2.5, 2.5, 4) and (1, 3.5, 2, 3.5) = 3.75 / 4.5.
        Assert.AreEqual(3.75 / 4.5, RegressionMetrics.Spearman([1, 2, 2, 3], [1, 3, 2, 3], null), Tolerance);
    }

    [TestMethod]
    public void AConstantSideHasNoCorrelationAndAnyNumberBeatsIt()
    {
        var task = new RegressionTask();
        var metric = task.MetricOf(task.Evaluate([[1], [1]], [0, 1], null));
        Assert.IsTrue(double.IsNaN(metric));
        Assert.IsTrue(task.IsBetter(-0.9, metric));
        Assert.IsFalse(task.IsBetter(metric, -0.9));
    }

    [TestMethod]
    public void LossesAreThoseOfTheMetrics()
    {
        using var scope = NewDisposeScope();
        foreach (var (task, logits, labels) in new (TextTask, float[][], float[])[]
        {
            (new MulticlassTask(3), [[1, -2, 0.5f], [0, 3, 1], [-1, 0, 2]], [2, 1, 0]),
            (new BinaryTask(), [[1.5f], [-0.5f], [4]], [1, 1, 0]),
            (new RegressionTask(), [[1.5f], [-0.5f], [4]], [1, 2, 3.5f]),
        })
        {
            float[] weights = [1, 0.5f, 2];
            var input = tensor(logits.SelectMany(l => l).ToArray(), [logits.Length, task.OutputCount]);
            var loss = task.Loss(input, task.Targets(labels, CPU), tensor(weights)).item<float>();
            Assert.AreEqual(task.LossOf(task.Evaluate(logits, labels, weights)), loss, 1e-6, task.Kind);
            var plain = task.Loss(input, task.Targets(labels, CPU), null).item<float>();
            Assert.AreEqual(task.LossOf(task.Evaluate(logits, labels, null)), plain, 1e-6, task.Kind);
        }
    }

    [TestMethod]
    public void ScoresAreProbabilitiesOrTheValue()
    {
        var scores = new MulticlassTask(3).Scores([1000, 1001, 900]);
        Assert.AreEqual(1 / (1 + Math.E), scores[0], 1e-6);
        Assert.AreEqual(1.0, scores.Sum(), 1e-6);
        Assert.AreEqual(1 / (1 + Math.Exp(2)), new BinaryTask().Scores([-2])[0], 1e-6);
        Assert.AreEqual(3.25f, new RegressionTask().Scores([3.25f])[0]);
    }

    [TestMethod]
    [DataRow(3f, "class indices go from 0 to 2")]
    [DataRow(-1f, "class indices")]
    [DataRow(0.5f, "class indices")]
    [DataRow(float.NaN, "class indices")]
    public void ALabelOutOfRangeIsNamed(float label, string rule)
    {
        var e = Assert.ThrowsExactly<ArgumentException>(() => new MulticlassTask(3).Check(Data([0, label], null), "training"));
        StringAssert.Contains(e.Message, "Row 1 of the training data");
        StringAssert.Contains(e.Message, rule);
    }

    [TestMethod]
    public void NumbersThatAreNoneAreRefused()
    {
        Assert.ThrowsExactly<ArgumentException>(() => new RegressionTask().Check(Data([1, float.NaN], null), "training"));
        Assert.ThrowsExactly<ArgumentException>(() => new BinaryTask().Check(Data([1, 2], null), "training"));
        Assert.ThrowsExactly<ArgumentException>(() => new BinaryTask().Check(Data([1, 0], [1, -1]), "training"));
        Assert.ThrowsExactly<ArgumentException>(() => new BinaryTask().Check(Data([1, 0], [0, 0]), "training"));
        Assert.ThrowsExactly<ArgumentException>(() => new BinaryTask().Check(Data([], null), "training"));
        new BinaryTask().Check(Data([1, 0], [0, 1]), "training");
    }

    private static TextDataset Data(float[] labels, float[]? weights) =>
        new([.. labels.Select(_ => new EncodedText([0, 2]))], labels, weights);
}
