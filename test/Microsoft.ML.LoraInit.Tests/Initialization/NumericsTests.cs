using Microsoft.ML.LoraInit.Initialization.Numerics;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

[TestClass]
public sealed class NumericsTests
{
    [TestMethod]
    [DataRow(4, 1e-2)]
    [DataRow(16, 1e-6)]
    public void TheRandomisedSvdApproachesTheExactOne(int iterations, double tolerance)
    {
        using var scope = NewDisposeScope();
        var matrix = Decaying(120, 80, 0.9);
        using var random = new Generator(7);
        var sketched = RandomizedSvd.Compute(matrix, 8, iterations, random);
        var (u, s, vh) = linalg.svd(matrix.to(ScalarType.Float64), false);
        Compare.Below(tolerance, Compare.Relative(sketched.S, s.narrow(0, 0, 8)), "Singular values");
        Compare.Below(tolerance, Compare.RowSpaces(sketched.Vh, vh.narrow(0, 0, 8)), "Right subspace");
        Compare.Below(tolerance, Compare.ColumnSpaces(sketched.U, u.narrow(1, 0, 8)), "Left subspace");
    }

    [TestMethod]
    public void StackedDecompositionsAreThoseOfTheirMatrices()
    {
        using var scope = NewDisposeScope();
        Tensor[] matrices = [Draw("a", 20, 30), Draw("b", 30, 20), Draw("c", 20, 30), Draw("d", 20, 30)];
        var done = new List<int>();
        var found = BatchedSvd.Compute(
            [.. matrices.Select(m => (m.shape[0], m.shape[1]))], i => matrices[i], i => i == 1 ? ^3.. : ..5, done.Add);
        CollectionAssert.AreEqual(new[] { 3, 4 }, done);
        for (int i = 0; i < matrices.Length; i++)
        {
            var (u, s, vh) = linalg.svd(matrices[i].to(ScalarType.Float64), false);
            var (start, count) = i == 1 ? (17, 3) : (0, 5);
            Compare.Below(1e-12, Compare.Relative(found[i].S, s.narrow(0, start, count)), $"Values of {i}");
            Compare.Below(1e-8, Compare.RowSpaces(found[i].Vh, vh.narrow(0, start, count)), $"Right subspace of {i}");
            Compare.Below(1e-8, Compare.ColumnSpaces(found[i].U, u.narrow(1, start, count)), $"Left subspace of {i}");
        }
    }

    [TestMethod]
    public void AProductIsDecomposedWithoutBeingFormed()
    {
        using var scope = NewDisposeScope();
        var (b, a) = (Draw("b", 60, 10), Draw("a", 10, 40));
        var found = ProductSvd.Leading(b, a, 4);
        var (u, s, vh) = linalg.svd(Compare.Product(b, a), false);
        var expected = (u.narrow(1, 0, 4) * s.narrow(0, 0, 4)).matmul(vh.narrow(0, 0, 4));
        Compare.Below(1e-10, Compare.Relative((found.U * found.S).matmul(found.Vh), expected), "Leading part");
    }

    [TestMethod]
    public void ComponentsInPiecesAreThoseOfAllRows()
    {
        using var scope = NewDisposeScope();
        // Rows of rank 6 and little noise: six components then hold nearly all of the variance, and no piece loses any.
        var x = Draw("scores", 400, 6).matmul(Draw("axes", 6, 30)) + Draw("noise", 400, 30) * 1e-6 + 3;
        using var all = new IncrementalPca(6);
        using var pieces = new IncrementalPca(6);
        Assert.IsNull(all.Add(x));
        foreach (var piece in x.split([50L, 3L, 2L, 145L, 196L, 4L]))
            pieces.Add(piece);
        pieces.Complete();
        Assert.AreEqual(400, pieces.Rows);
        Compare.Below(1e-5, Compare.RowSpaces(pieces.Components, all.Components), "Subspace");
        Compare.Below(1e-5, Compare.Relative(pieces.SingularValues, all.SingularValues), "Values");
        var centred = x.to(ScalarType.Float64) - x.to(ScalarType.Float64).mean([0L]);
        var (_, s, vh) = linalg.svd(centred, false);
        Compare.Below(1e-8, Compare.RowSpaces(all.Components, vh.narrow(0, 0, 6)), "Against the SVD");
        var total = s.square().sum().item<double>();
        for (int i = 0; i < 6; i++)
            Assert.AreEqual(Math.Pow(s[i].item<double>(), 2) / total, all.ExplainedVarianceRatio[i], 1e-8);
        Assert.AreEqual(1, pieces.ExplainedVarianceRatio.Sum(), 1e-6);
    }

    [TestMethod]
    public void FewRowsWaitAndTooFewAreRefused()
    {
        using var scope = NewDisposeScope();
        using var pca = new IncrementalPca(8);
        Assert.IsNull(pca.Add(Draw("x", 5, 20)));
        Assert.IsFalse(pca.IsFitted);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(pca.Complete).Message, "there were 5");
        Assert.IsNull(pca.Add(Draw("y", 4, 20)));
        Assert.IsTrue(pca.IsFitted);
        Assert.AreEqual(9, pca.Rows);
    }

    [TestMethod]
    public void SecondMomentsDoNotDependOnThePieces()
    {
        using var scope = NewDisposeScope();
        var x = Draw("x", 100, 12) * 1e3 + 1e4;
        using var moment = new SecondMoment(12, CPU);
        foreach (var piece in x.split([1L, 60L, 39L]))
            moment.Add(piece);
        var wide = x.to(ScalarType.Float64);
        Compare.Below(1e-14, Compare.Relative(moment.Value(), wide.t().matmul(wide) / 100), "C");
    }

    [TestMethod]
    public void OneInputOfSeveralLayersIsFound()
    {
        using var scope = NewDisposeScope();
        var inputs = new SharedInputs();
        var (query, key, output) = (FakeContext.Target("query", 8, 12), FakeContext.Target("key", 8, 12), FakeContext.Target("output", 8, 12));
        var x = Draw("x", 10, 12);
        Assert.AreSame(query, inputs.Representative(query, x));
        Assert.AreSame(query, inputs.Representative(key, x.clone()));
        Assert.AreSame(output, inputs.Representative(output, x.flip(1)), "The same numbers in another order are another input.");
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(() => inputs.Representative(FakeContext.Target("value", 8, 12))).Message, "'value'");
    }

    [TestMethod]
    public void RanksGoToTheBestDirectionsAndAddUp()
    {
        var ranks = RankBudget.Distribute(6, new Dictionary<string, double[]>
        {
            ["a"] = [0.5, 0.4, 0.3, 0.2],
            ["b"] = [0.35, 0.01, 0.01, 0.01],
            ["c"] = [0.001, 0.001, 0.001, 0.001],
        });
        Assert.AreEqual((4, 2, 0), (ranks["a"], ranks["b"], ranks["c"]));
    }

    [TestMethod]
    public void BatchedFitsAreThoseOfSingleMatrices()
    {
        using var scope = NewDisposeScope();
        var (w, b, a) = (stack([Draw("w0", 20, 16), Draw("w1", 20, 16)]), stack([Draw("b0", 20, 3), Draw("b1", 20, 3)]), stack([Draw("a0", 3, 16), Draw("a1", 3, 16)]));
        var fit = new FactorizationByGradient { Steps = 200, LearningRate = 1e-2 };
        var (both, bothA) = fit.Fit(w, b, a);
        for (int i = 0; i < 2; i++)
        {
            var (one, oneA) = fit.Fit(w.narrow(0, i, 1), b.narrow(0, i, 1), a.narrow(0, i, 1));
            Compare.Below(1e-5, Compare.Relative(both[i], one[0]), $"B of {i}");
            Compare.Below(1e-5, Compare.Relative(bothA[i], oneA[0]), $"A of {i}");
        }
    }

    [TestMethod]
    public void TheGradientByHandIsThatOfAutograd()
    {
        using var scope = NewDisposeScope();
        var (w, b, a) = (Draw("w", 12, 10).unsqueeze(0), Draw("b", 12, 2).unsqueeze(0), Draw("a", 2, 10).unsqueeze(0));
        var (fitB, fitA) = new FactorizationByGradient { Steps = 300, LearningRate = 1e-2, DecayEvery = 100, Decay = 0.5 }.Fit(w, b, a);
        var leaves = new[] { new TorchSharp.Modules.Parameter(b.clone()), new TorchSharp.Modules.Parameter(a.clone()) };
        using var optimizer = optim.Adam(leaves, 1e-2);
        for (int step = 0; step < 300; step++)
        {
            optimizer.zero_grad();
            var loss = (leaves[0].bmm(leaves[1]) - w).square().mean();
            loss.backward();
            foreach (var group in optimizer.ParamGroups)
                group.LearningRate = 1e-2 * Math.Pow(0.5, step / 100);
            optimizer.step();
        }
        Compare.Below(1e-4, Compare.Relative(fitB, leaves[0].detach()), "B");
        Compare.Below(1e-4, Compare.Relative(fitA, leaves[1].detach()), "A");
    }

    private static Tensor Decaying(long m, long n, double ratio)
    {
        var u = linalg.qr(Draw("u", m, n)).Q;
        var v = linalg.qr(Draw("v", n, n)).Q;
        return u.matmul(full(n, ratio).pow(arange(n)).unsqueeze(1) * v);
    }

    private static Tensor Draw(string name, long m, long n)
    {
        using var random = new Generator(SeededRandom.Hash(5, name));
        return empty(m, n).normal_(0, 1, random);
    }
}
