using static Microsoft.ML.LoraInit.Tests.Initialization.KolmogorovSmirnov;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>Random factors against their own distribution, and against wrong ones of the same variance or the other factor's scale.</summary>
[TestClass]
public sealed class RandomDrawTests
{
    private const int In = 640, Out = 512, Rank = 8;
    private const double Accept = 0.01, Reject = 1e-6;

    private static IEnumerable<object[]> Draws => new (string Strategy, bool A, string Kind, double Deviation)[]
    {
        ("kaiming", true, "uniform", 1 / Math.Sqrt(3.0 * In)),
        ("gaussian", true, "normal", 1.0 / Rank),
        ("init-b", false, "uniform", 1 / Math.Sqrt(3.0 * Rank)),
        ("nonzero", true, "uniform", 1 / Math.Sqrt(3.0 * In)),
        ("nonzero", false, "uniform", 1 / Math.Sqrt(3.0 * In)),
        ("nonzero:scaleA=4", true, "uniform", 2 / Math.Sqrt(3.0 * In)),
        ("nonzero:scaleB=9,correctBase=true", false, "uniform", 3 / Math.Sqrt(3.0 * In)),
        ("inilora-alpha", true, "normal", 0.5),
        ("inilora-alpha", false, "normal", 0.5),
        ("inilora-beta", true, "normal", Math.Sqrt(2.0 / In)),
        ("inilora-beta", false, "normal", Math.Sqrt(2.0 / Rank)),
        ("inilora-beta:distribution=uniform", true, "uniform", Math.Sqrt(2.0 / In)),
        ("inilora-beta:distribution=uniform", false, "uniform", Math.Sqrt(2.0 / Rank)),
        ("inilora-random", true, "uniform", 0.1 / Math.Sqrt(3)),
        ("inilora-random", false, "uniform", 0.1 / Math.Sqrt(3)),
        ("inilora-random:distribution=normal", true, "normal", 0.01),
        ("inilora-random:distribution=xavier-uniform", true, "uniform", Math.Sqrt(2.0 / (In + Rank))),
        ("inilora-random:distribution=xavier-uniform", false, "uniform", Math.Sqrt(2.0 / (Out + Rank))),
        ("inilora-random:distribution=xavier-normal", false, "normal", Math.Sqrt(2.0 / (Out + Rank))),
        ("inilora-random:distribution=kaiming-uniform", true, "uniform", Math.Sqrt(2.0 / In)),
        ("inilora-random:distribution=kaiming-normal", false, "normal", Math.Sqrt(2.0 / Rank)),
        ("slora", true, "uniform", 1 / Math.Sqrt(3.0 * In)),
        ("inilora:steps=0,sigma=0.03,absorbScaling=false", true, "normal", 0.03),
        ("inilora:steps=0,sigma=0.03,absorbScaling=false", false, "normal", 0.03),
    }.Select(d => new object[] { d.Strategy, d.A, d.Kind, d.Deviation });

    [TestMethod]
    [DynamicData(nameof(Draws))]
    public void FactorsFollowTheirDistributionAndNoOther(string strategy, bool factorA, string kind, double deviation)
    {
        using var scope = NewDisposeScope();
        var result = LoraInitialization.Parse(strategy).Initialize(FakeContext.Random([FakeContext.Target("layer.query", Out, In, Rank)]))[0];
        var sample = factorA ? result.A : result.B;
        Func<double, double> uniform = Uniform(Math.Sqrt(3) * deviation), normal = Normal(deviation);
        var (own, other) = kind == "uniform" ? (uniform, normal) : (normal, uniform);
        Assert.IsTrue(PValue(sample, own) > Accept, $"p = {PValue(sample, own):G3} against its own distribution");
        Assert.IsTrue(PValue(sample, other) < Reject, $"p = {PValue(sample, other):G3} against the other shape of the same variance");
        var wider = kind == "uniform" ? Uniform(Math.Sqrt(3) * deviation * 1.2) : Normal(deviation * 1.2);
        Assert.IsTrue(PValue(sample, wider) < Reject, $"p = {PValue(sample, wider):G3} against a deviation 20 % larger");
    }

    [TestMethod]
    [DataRow("kaiming", true)]
    [DataRow("gaussian", true)]
    [DataRow("init-b", false)]
    [DataRow("slora", true)]
    public void TheOtherFactorIsZero(string strategy, bool factorA)
    {
        using var scope = NewDisposeScope();
        var result = LoraInitialization.Parse(strategy).Initialize(FakeContext.Random([FakeContext.Target("layer.query", Out, In)]))[0];
        Assert.AreEqual(0, Compare.Norm(factorA ? result.B : result.A));
    }

    [TestMethod]
    public void TheOtherDistributionsOfFigureFourAreTorchs()
    {
        using var scope = NewDisposeScope();
        InitializedAdapter Draw(IniLoraDistribution distribution) =>
            LoraInitialization.IniLoraRandom(distribution).Initialize(FakeContext.Random([FakeContext.Target("layer.query", Out, In, Rank)]))[0];

        var orthogonal = Draw(IniLoraDistribution.Orthogonal);
        Compare.Below(1e-5, Compare.Norm(orthogonal.A.matmul(orthogonal.A.t()) - eye(Rank)), "A·Aᵀ − I");
        Compare.Below(1e-5, Compare.Norm(orthogonal.B.t().matmul(orthogonal.B) - eye(Rank)), "Bᵀ·B − I");

        var sparse = Draw(IniLoraDistribution.Sparse);
        Assert.IsTrue(sparse.A.eq(0).sum(0L).eq(Rank / 2).all().item<bool>(), "Half of each column of A is zero.");
        Assert.IsTrue(sparse.B.eq(0).sum(0L).eq(Out / 2).all().item<bool>(), "Half of each column of B is zero.");
        Assert.IsTrue(PValue(sparse.B[sparse.B.ne(0)], Normal(0.01)) > Accept, "The rest is N(0, 0.01²).");

        var constant = Draw(IniLoraDistribution.Constant);
        Assert.IsTrue(constant.A.eq(0.001f).all().item<bool>() && constant.B.eq(0.001f).all().item<bool>());
    }

    [TestMethod]
    public void OrthogonalFactorsAreAliveAndTheirProductVanishes()
    {
        using var scope = NewDisposeScope();
        foreach (var rank in new[] { 2, 8, 64 })
        {
            var result = LoraInitialization.Orthogonal().Initialize(FakeContext.Random([FakeContext.Target("layer.query", Out, In, rank)]))[0];
            Compare.Below(1e-6, result.B.matmul(result.A).abs().max().item<float>(), $"|B·A| at rank {rank}");
            Assert.IsTrue(Compare.Norm(result.A) > 1 && Compare.Norm(result.B) > 1);
            // Rows of A mix r/2 standard normal columns by unit rows of Q, divided by 10: its numbers have the deviation √½/10.
            Assert.AreEqual(Math.Sqrt(0.5) / 10, result.A.square().mean().sqrt().item<float>(), 0.05 * 0.07);
            Assert.AreEqual(Math.Sqrt(0.5) / 10, result.B.square().mean().sqrt().item<float>(), 0.05 * 0.07 * 4);
        }
    }

    [TestMethod]
    public void NoraSketchesTheRowsOfTheWeightAsItsAuthorsDo()
    {
        using var scope = NewDisposeScope();
        var target = FakeContext.Target("layer.query", Out, In, Rank);
        var context = FakeContext.Random([target]);
        // With W = 1, A is σ·Ω/s itself.
        context.Weights["layer.query"] = eye(Out, In);
        foreach (var (text, sigma) in new[] { ("nora", 0.1), ("nora:sigma=0.02", 0.02), ("nora:scale=3", 0.3) })
        {
            var result = LoraInitialization.Parse(text).Initialize(context)[0];
            Assert.AreEqual(0, Compare.Norm(result.B));
            Assert.IsTrue(PValue(result.A.narrow(1, 0, Out), Normal(sigma / target.Scaling)) > Accept, text);
            Assert.AreEqual(0, Compare.Norm(result.A.narrow(1, Out, In - Out)), text);
        }
        context.Weights["layer.query"] = rand(Out, 4).matmul(rand(4, In));
        var rows = linalg.svd(context.Weights["layer.query"].to(ScalarType.Float64), false).Vh.narrow(0, 0, 4);
        var a = LoraInitialization.Nora().Initialize(context)[0].A.to(ScalarType.Float64);
        Compare.Below(1e-5, Compare.Relative(a.matmul(rows.t()).matmul(rows), a), "A outside the rows of W");
    }

    [TestMethod]
    public void NorasOtherSideSketchesTheRangeOfTheWeight()
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([FakeContext.Target("layer.query", Out, In, Rank)]);
        using var left = rand(Out, 4);
        using var right = rand(4, In);
        context.Weights["layer.query"] = left.matmul(right);
        var result = LoraInitialization.Nora(scale: 2, side: NoraSide.B).Initialize(context)[0];
        Assert.AreEqual(0, Compare.Norm(result.A));
        var q = linalg.qr(left.to(ScalarType.Float64)).Q;
        var b = result.B.to(ScalarType.Float64);
        Compare.Below(1e-5, Compare.Relative(q.matmul(q.t()).matmul(b), b), "B outside the range of W");
        // E‖B‖² = scale²·‖W‖², with W of rank 4 the sum of 8 columns scatters by about √(2/8).
        Assert.AreEqual(2 * Compare.Norm(context.Weights["layer.query"]), Compare.Norm(b), 1.2 * Compare.Norm(context.Weights["layer.query"]));
    }
}
