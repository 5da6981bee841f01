using Microsoft.ML.LoraInit.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>Products, subspaces and new base weights against plain fp64 computations from the papers' formulas.</summary>
[TestClass]
public sealed class AddedStrategyTests
{
    private const int Out = 40, In = 32, R = 4;
    private static readonly AdapterTarget Target = FakeContext.Target("one", Out, In, R, alpha: 6);

    [TestMethod]
    public void LoraXsPutsNoiseBetweenTheLeadingTriplets()
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([Target]);
        var (u, s, vh) = Svd(Weight(context));
        var result = LoraInitialization.LoraXs(sigma: 0.5).Initialize(context)[0];
        var core = result.N!.to(ScalarType.Float64);
        Compare.Below(1e-5, Compare.Relative(
            Product(result), u.narrow(1, 0, R).matmul(Aligned(u, result.B, core)).matmul(diag(s.narrow(0, 0, R))).matmul(vh.narrow(0, 0, R))), "U N S Vᵀ");
        Compare.Below(1e-5, Compare.Norm(result.B.t().matmul(result.B) - eye(R)), "B is orthonormal; S is on A's side");
        Assert.IsTrue(result.FreezeA && result.FreezeB && !result.SubtractFromBase);
        Assert.AreEqual(1e-5, LoraInitialization.LoraXs().Initialize(FakeContext.Random([FakeContext.Target("one", 64, 64, 32)]))[0].N!.std().item<float>(), 1e-6);
        Assert.AreEqual(0, Compare.Norm(LoraInitialization.LoraXs(sigma: 0).Initialize(context)[0].N!));

        // The signs of singular vectors are open: N as seen from this test's vectors.
        static Tensor Aligned(Tensor u, Tensor b, Tensor n)
        {
            var signs = (u.narrow(1, 0, R) * b.to(ScalarType.Float64)).sum([0L]).sign();
            return signs.unsqueeze(1) * n * signs;
        }
    }

    [TestMethod]
    public void LoraSbIsTheFirstStepInRankR()
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([Target]);
        var (u, s, vh) = Svd(context.LossGradients["one"].to(ScalarType.Float64).sign() * -0.01);
        var result = LoraInitialization.LoraSb(stepSize: 0.01).Initialize(context)[0];
        var step = (u.narrow(1, 0, R) * s.narrow(0, 0, R)).matmul(vh.narrow(0, 0, R));
        Compare.Below(1e-5, Compare.Relative(Product(result) * Target.Scaling, step), "s·B·N·A");
        Compare.Below(1e-5, Compare.Norm(result.A.matmul(result.A.t()) - eye(R)) + Compare.Norm(result.B.t().matmul(result.B) - eye(R)), "A and B are orthonormal");
        Compare.Below(1e-6, Compare.Relative(result.N!.diagonal(0, 0, 1), s.narrow(0, 0, R) / Target.Scaling), "N's diagonal");
        Assert.IsTrue(result.FreezeA && result.FreezeB && !result.SubtractFromBase);
    }

    [TestMethod]
    public void SloraTrainsThreeMatricesFromAProductOfZero()
    {
        using var scope = NewDisposeScope();
        var target = FakeContext.Target("one", 32, 64, 48);
        var result = LoraInitialization.Slora().Initialize(FakeContext.Random([target]))[0];
        Assert.AreEqual(0, Compare.Norm(result.B));
        Assert.IsTrue(KolmogorovSmirnov.PValue(result.N!, KolmogorovSmirnov.Uniform(1 / Math.Sqrt(48))) > 0.01);
        Assert.IsFalse(result.FreezeA || result.FreezeB);
    }

    [TestMethod]
    [DataRow(AstraEnd.Largest, 24 - R)]
    [DataRow(AstraEnd.Smallest, 0)]
    [DataRow(AstraEnd.Middle, 24 / 2)]
    public void AstraProjectsTheWeightOnEigenvectorsOfItsOutputs(AstraEnd end, int first)
    {
        using var scope = NewDisposeScope();
        // No more outputs than inputs, so that no eigenvalue is zero.
        var context = WithRows(FakeContext.Target("one", 24, In, R));
        context.Biases["one"] = linspace(-0.1, 0.1, 24);
        var (w, c) = (Weight(context), zeros(24, 24, ScalarType.Float64));
        foreach (var x in Rows(context))
        {
            var y = x.matmul(w.t()) + context.Biases["one"].to(ScalarType.Float64);
            y = y / y.max().abs();
            c = c + y.t().matmul(y);
        }
        var v = linalg.eigh(c).Item2.narrow(1, first, R);
        var result = LoraInitialization.Astra(end).Initialize(context)[0];
        Compare.Below(1e-4, Compare.ColumnSpaces(result.B, v), "B");
        Compare.Below(1e-4, Compare.Relative(Product(result), v.matmul(v.t()).matmul(w)), "B·A");
        Assert.IsTrue(result.SubtractFromBase);
    }

    [TestMethod]
    public void LoraNullTakesWhatTheInputsDoNotHave()
    {
        using var scope = NewDisposeScope();
        var context = WithRows();
        var c = zeros(In, In, ScalarType.Float64);
        foreach (var x in Rows(context).Select(x => x / x.max().abs()))
            c = c + x.t().matmul(x);
        var quiet = linalg.eigh(c).Item2.narrow(1, 0, R);
        var part = Weight(context).matmul(quiet).matmul(quiet.t());
        var result = LoraInitialization.LoraNull().Initialize(context)[0];
        Compare.Below(1e-5, Compare.Relative(Product(result) * Target.Scaling, part), "s·B·A");
        Compare.Below(1e-5, Compare.Relative(Weight(context) - Product(result) * Target.Scaling, Weight(context) - part), "The new base");
        Compare.Below(1e-5, Compare.Norm(result.B.t().matmul(result.B) - result.A.matmul(result.A.t())), "√S on both sides");
        Assert.IsTrue(result.SubtractFromBase && !result.FreezeA);
        Assert.IsTrue(LoraInitialization.LoraNull(freezeA: true).Initialize(context)[0].FreezeA);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void LoramHasSinesOfTheWeightsMagnitude(bool absorbScaling)
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([Target]);
        double Sine(int n, int i, int j) => Math.Sqrt(2.0 / (n + 1)) * Math.Sin((i + 1) * (j + 1) * Math.PI / (n + 1));
        var a = tensor(Enumerable.Range(0, R * In).Select(k => Sine(In, k % In, k / In)).ToArray(), R, In);
        var b = tensor(Enumerable.Range(0, Out * R).Select(k => Sine(Out, k / R, k % R)).ToArray(), Out, R);
        var beta = Math.Pow(Math.Log(R, In) * Weight(context).square().mean().item<double>() / b.matmul(a).square().mean().item<double>(), 0.25);
        var divisor = absorbScaling ? Math.Sqrt(Target.Scaling) : 1;
        var result = LoraInitialization.Loram(absorbScaling).Initialize(context)[0];
        Compare.Below(1e-6, Compare.Relative(result.A, a * beta / divisor) + Compare.Relative(result.B, b * beta / divisor), "A and B");
        var energy = Product(result).square().mean().item<double>() * Math.Pow(divisor, 4) / Weight(context).square().mean().item<double>();
        Assert.AreEqual(Math.Log(R, In), energy, 1e-5, "The product's share of W's energy");
        Assert.IsTrue(result.SubtractFromBase);
    }

    [TestMethod]
    public void CloqMendsTheOutputsBetterThanLoftqDoes()
    {
        using var scope = NewDisposeScope();
        var context = WithRows();
        var (x, w) = (context.Inputs["one"].to(ScalarType.Float64), Weight(context));
        var result = new CloqInitialization { Damping = 1e-9 }.Initialize(context)[0];
        var q = Nf4.RoundTrip(context.Weights["one"], false).to(ScalarType.Float64);
        Assert.AreEqual(0, Compare.Norm(result.ReplacementBase! - q));
        // The least of ‖X (W − Q − BA)ᵀ‖ is what the singular values beyond r leave.
        var least = linalg.svdvals(x.matmul((w - q).t())).narrow(0, R, Math.Min(Out, In) - R).norm().item<double>();
        double Left(InitializedAdapter made) => Compare.Norm(x.matmul((w - made.ReplacementBase!.to(ScalarType.Float64) - Product(made) * Target.Scaling).t()));
        Assert.AreEqual(least, Left(result), 1e-4 * least);
        Assert.IsTrue(Left(LoraInitialization.Loftq().Initialize(context)[0]) > 1.02 * least, "LoftQ mends the weights instead.");
        Compare.Below(1e-5, Compare.Norm(result.B.t().matmul(result.B) - eye(R)), "B is orthonormal");

        var c = x.t().matmul(x) / x.shape[0];
        c = c + eye(In, In, ScalarType.Float64) * c.diagonal(0, 0, 1).mean() * 0.01;
        var root = linalg.cholesky(c).t(); // another R with C = RᵀR
        var (u, s, vh) = Svd((w - q).matmul(root.t()));
        var expected = (u.narrow(1, 0, R) * s.narrow(0, 0, R)).matmul(vh.narrow(0, 0, R)).matmul(linalg.inv(root.t()));
        Compare.Below(1e-5, Compare.Relative(Product(LoraInitialization.Cloq().Initialize(context)[0]) * Target.Scaling, expected), "s·B·A, damped");
    }

    [TestMethod]
    [DataRow(MiloraSegment.Min, In - R)]
    [DataRow(MiloraSegment.Mid, (In - R) / 2)]
    [DataRow(MiloraSegment.Max, 0)]
    public void MiloraTakesItsSegment(MiloraSegment segment, int first)
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([Target]);
        var (u, s, vh) = Svd(Weight(context));
        var part = (u.narrow(1, first, R) * s.narrow(0, first, R)).matmul(vh.narrow(0, first, R));
        var result = LoraInitialization.Milora(segment).Initialize(context)[0];
        Compare.Below(1e-5, Compare.Relative(Product(result) * Target.Scaling, part), "s·B·A");
    }

    [TestMethod]
    public void MilorasRandomSegmentIsOfWholeTriplets()
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([Target]);
        var (u, s, vh) = Svd(Weight(context));
        var found = u.t().matmul(Product(LoraInitialization.Milora(MiloraSegment.Random).Initialize(context)[0]) * Target.Scaling).matmul(vh.t());
        var taken = found.diagonal(0, 0, 1).gt(1e-6).nonzero().reshape(-1);
        Assert.AreEqual(R, taken.shape[0]);
        Compare.Below(1e-5, Compare.Relative(found.diagonal(0, 0, 1).index_select(0, taken), s.index_select(0, taken)), "Their singular values");
        Compare.Below(1e-6, Compare.Norm(found - diag(found.diagonal(0, 0, 1))), "Nothing beside them");
    }

    private static FakeContext WithRows(AdapterTarget? target = null)
    {
        AdapterTarget[] targets = [target ?? Target];
        var random = FakeContext.Random(targets, rows: 200);
        return new FakeContext(targets) { Weights = random.Weights, Inputs = random.Inputs, RowsAtOnce = 100, RowLength = 25 };
    }

    private static IEnumerable<Tensor> Rows(FakeContext context) =>
        Enumerable.Range(0, 8).Select(i => context.Inputs["one"].narrow(0, i * 25, 25).to(ScalarType.Float64));

    private static Tensor Weight(FakeContext context) => context.Weights["one"].to(ScalarType.Float64);

    private static (Tensor U, Tensor S, Tensor Vh) Svd(Tensor matrix) => linalg.svd(matrix, false);

    private static Tensor Product(InitializedAdapter made) =>
        Compare.Product(made.N is null ? made.B : Compare.Product(made.B, made.N), made.A);
}
