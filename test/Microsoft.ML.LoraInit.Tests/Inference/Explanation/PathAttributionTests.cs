using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Explanation;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inference.Explanation;

[TestClass]
public sealed class PathAttributionTests
{
    private static readonly long[] Row = [0, 12, 57, 33, 80, 9, 2];

    [TestMethod]
    public void GaussLegendreIntegratesPolynomialsExactly()
    {
        foreach (int n in (int[])[1, 2, 5, 50])
        {
            var points = GaussLegendre.Points(n);
            Assert.AreEqual(1, points.Sum(p => p.Weight), 1e-13);
            Assert.AreEqual(1.0 / (2 * n), points.Sum(p => p.Weight * Math.Pow(p.Node, 2 * n - 1)), 1e-13, $"{n} points");
            Assert.IsTrue(points.All(p => p.Node is > 0 and < 1) && points.Zip(points.Skip(1)).All(p => p.First.Node < p.Second.Node));
        }
    }

    [TestMethod]
    [DataRow(4)]
    [DataRow(null)]
    public void AttributionsAddUpToTheDifferenceOfTheScores(int? baseline)
    {
        using var model = Model();
        using var batch = NewDisposeScope();
        var result = PathAttribution.Compute(model, Batch(Row), Replaced(Row.Length), baseline, GaussLegendre.Points(50));

        for (int o = 0; o < RandomModel.Outputs; o++)
        {
            double difference = result.Scores[o] - result.BaselineScores[o], sum = result.PerColumn.Sum(c => c[o]);
            Assert.IsTrue(Math.Abs(difference) > 0.05, "The scores are too alike to tell.");
            Assert.AreEqual(difference, sum, 0.02 * Math.Abs(difference), $"output {o}");
        }
        Assert.IsTrue(result.PerColumn[0].All(a => a == 0) && result.PerColumn[^1].All(a => a == 0), "The special tokens stay.");
    }

    [TestMethod]
    public void WhatTheMaskHidesHasNoPart()
    {
        using var model = Model();
        using var scope = NewDisposeScope();
        long[] padded = [.. Row, 1, 1, 1];
        var hidden = new EncodedBatch(tensor(padded, [1, padded.Length]), tensor(Array.ConvertAll(padded, id => id != 1), [1, padded.Length]));
        // Zeros in place of the padding embedding, which is not zero here: it would have a part if it were attended to.
        bool[] replaced = [.. Replaced(Row.Length), true, true, true];
        var plain = PathAttribution.Compute(model, Batch(Row), Replaced(Row.Length), null, GaussLegendre.Points(8));
        var masked = PathAttribution.Compute(model, hidden, replaced, null, GaussLegendre.Points(8));
        var seen = PathAttribution.Compute(model, new(hidden.InputIds, null), replaced, null, GaussLegendre.Points(8));

        for (int t = 0; t < padded.Length; t++)
            for (int o = 0; o < RandomModel.Outputs; o++)
                Assert.AreEqual(t < Row.Length ? plain.PerColumn[t][o] : 0, masked.PerColumn[t][o], t < Row.Length ? 1e-4 : 0, $"token {t}");
        Assert.IsTrue(seen.PerColumn[^1].Any(a => Math.Abs(a) > 1e-4), "Without the mask it would have one.");
    }

    [TestMethod]
    public void TheGradientIsThatOfTheScores()
    {
        using var model = Model();
        using var scope = NewDisposeScope();
        // Near the end of the way, the change of a score is the gradient times the step.
        var result = PathAttribution.Compute(model, Batch(Row), Replaced(Row.Length), null, [(1.0, 1.0)]);
        var words = model.Words(tensor(Row, [1, Row.Length]));
        const double Step = 1e-2;
        for (int t = 1; t < Row.Length - 1; t++)
        {
            var (up, down) = (words.clone(), words.clone());
            up.select(1, t).mul_(1 + Step);
            down.select(1, t).mul_(1 - Step);
            var change = (model.Encode(up + model.Positions(Row.Length), null) - model.Encode(down + model.Positions(Row.Length), null)).data<float>().ToArray();
            for (int o = 0; o < RandomModel.Outputs; o++)
                Assert.AreEqual(change[o] / (2 * Step), result.PerColumn[t][o], 5e-3, $"token {t}, output {o}");
        }
    }

    private static MergedModel Model() => new(RandomModel.Config, RandomModel.Weights(RandomModel.Config));

    private static EncodedBatch Batch(long[] ids) => new(tensor(ids, [1, ids.Length]), null);

    private static bool[] Replaced(int length) => [.. Enumerable.Range(0, length).Select(i => i > 0 && i < length - 1)];
}
