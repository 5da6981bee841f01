using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

[TestClass]
public sealed class DataDrivenTests
{
    [TestMethod]
    public void EvaGivesRanksToLayersWithConcentratedInputs()
    {
        using var scope = NewDisposeScope();
        AdapterTarget[] targets =
        [
            FakeContext.Target("flat", 32, 64, 8), FakeContext.Target("steep", 32, 64, 8), FakeContext.Target("shared", 32, 64, 8, rankStabilized: true),
        ];
        var context = FakeContext.Random(targets);
        context.Inputs["flat"] = Draw("flat", 400, 64);
        context.Inputs["steep"] = Draw("steep", 400, 16).matmul(Draw("axes", 16, 64));
        context.Inputs["shared"] = context.Inputs["steep"];
        var results = LoraInitialization.Eva(rho: 1.5).Initialize(context);
        Assert.AreEqual(24, results.Sum(r => r.Rank), "The sum of ranks is kept.");
        Assert.AreEqual((0, 12, 12), (results[0].Rank, results[1].Rank, results[2].Rank));
        Assert.AreEqual(2 * 12, results[1].Alpha!.Value, 1e-9, "alpha/r = 2 stays.");
        Assert.AreEqual(targets[2].Scaling * Math.Sqrt(12), results[2].Alpha!.Value, 1e-9, "alpha/√r stays.");
        Assert.IsNull(results[0].Alpha);
        Compare.Below(1e-5, Compare.Norm(results[1].A.matmul(results[1].A.t()) - eye(12)), "A's rows are orthonormal");
        Assert.IsTrue(LoraInitialization.Eva(rho: 1).Initialize(context).All(r => r.Rank == 8 && r.Alpha is null), "rho = 1 redistributes nothing.");
        Assert.IsTrue(LoraInitialization.Eva(rho: 1.5, adjustScaling: false).Initialize(context).All(r => r.Alpha is null));
    }

    [TestMethod]
    public void EvaStopsWhenItsComponentsAreSettled()
    {
        using var scope = NewDisposeScope();
        AdapterTarget[] targets = [FakeContext.Target("one", 32, 24, 2)];
        var inputs = new Dictionary<string, Tensor> { ["one"] = Draw("scores", 2000, 24) * pow(0.5, arange(24).to(ScalarType.Float32)) };
        (int Visits, int Logged) Run(string settings)
        {
            var context = new FakeContext(targets) { Inputs = inputs, RowsAtOnce = 100 };
            LoraInitialization.Parse($"eva:{settings}").Initialize(context);
            return (context.Messages.Count, context.Warnings.Count);
        }

        Assert.AreEqual((20, 1), Run("tau=1,passes=1"), "A cosine of 1 is never reached: the pass sees all, and a warning says so.");
        Assert.AreEqual((60, 1), Run("tau=1,passes=3"), "The rows go round.");
        Assert.IsTrue(Run("tau=0.9") is ( > 1 and < 20, 0), "Settled components end the pass.");
        Assert.AreEqual((2, 0), Run("tau=0"), "The second piece settles all.");
        Assert.IsTrue(Run("tau=0.999,settling=all").Visits > Run("tau=0.999").Visits, "Components without a rank need not settle.");
    }

    [TestMethod]
    public void EvaWhitensByRootsOfSingularValues()
    {
        using var scope = NewDisposeScope();
        AdapterTarget[] targets = [FakeContext.Target("one", 32, 24, 3)];
        var once = new EvaInitialization { Passes = 1 };
        var (plain, whitened) = (once.Initialize(FakeContext.Random(targets))[0], (once with { Whiten = true }).Initialize(FakeContext.Random(targets))[0]);
        var x = FakeContext.Random(targets).Inputs["one"].to(ScalarType.Float64);
        var s = linalg.svdvals(x - x.mean([0L])).narrow(0, 0, 3);
        Compare.Below(1e-5, Compare.Relative(whitened.A, plain.A / s.sqrt().unsqueeze(1)), "A");
    }

    [TestMethod]
    public void CordaWithFewRowsDampsAndKeepsTheFunction()
    {
        using var scope = NewDisposeScope();
        AdapterTarget[] targets = [FakeContext.Target("one", 32, 48, 4)];
        foreach (var text in new[] { "corda", "corda:mode=kpm", "corda:damping=0,normalize=false,divisor=tokens" })
        {
            var result = LoraInitialization.Parse(text).Initialize(FakeContext.Random(targets, rows: 10))[0];
            Assert.IsTrue(result.A.isfinite().all().item<bool>() && Compare.Norm(result.A) > 0, text);
            Compare.Below(1e3, result.A.abs().max().item<float>(), $"{text}: an undamped inverse would explode");
        }
        var silent = FakeContext.Random(targets);
        silent.Inputs["one"] = zeros(10, 48);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => LoraInitialization.Corda().Initialize(silent)).Message, "'one'");
    }

    // Independently of the strategy's code: PEFT's C, then W C = U S Vᵀ.
    [TestMethod]
    [DataRow("corda", true, true, 0.01)]
    [DataRow("corda:normalize=false", false, true, 0.01)]
    [DataRow("corda:damping=0.1,divisor=tokens,normalize=false", false, false, 0.1)]
    public void CordaDividesAndDampsAsPeftDoes(string text, bool normalized, bool samples, double damping)
    {
        using var scope = NewDisposeScope();
        var target = FakeContext.Target("one", 32, 24, 4);
        var inputs = FakeContext.Random([target], rows: 120).Inputs;
        var context = new FakeContext([target]) { Weights = FakeContext.Random([target]).Weights, Inputs = inputs, RowsAtOnce = 60, RowLength = 10 };
        var c = zeros(24, 24, ScalarType.Float64);
        for (int row = 0; row < 12; row++)
        {
            var x = inputs["one"].narrow(0, row * 10, 10).to(ScalarType.Float64);
            x = normalized ? x / x.max().abs() : x;
            c = c + x.t().matmul(x);
        }
        c = c / (samples ? 12 : 120);
        c = c + eye(24, 24, ScalarType.Float64) * c.diagonal(0, 0, 1).mean() * damping;
        var (u, s, vh) = linalg.svd(context.Weights["one"].to(ScalarType.Float64).matmul(c), false);
        var root = (s.narrow(0, 0, 4) / target.Scaling).sqrt();
        var (a, b) = (root.unsqueeze(1) * vh.narrow(0, 0, 4).matmul(linalg.inv(c)), u.narrow(1, 0, 4) * root);

        var result = LoraInitialization.Parse(text).Initialize(context)[0];
        Compare.Below(1e-5, Compare.Relative(Compare.Product(result.B, result.A), b.matmul(a)), "B·A");
        Compare.Below(1e-5, Math.Abs(Compare.Norm(result.A) / Compare.Norm(a) - 1), "The split: ‖A‖");
        Compare.Below(1e-5, Math.Abs(Compare.Norm(result.B) / Compare.Norm(b) - 1), "The split: ‖B‖");
    }

    [TestMethod]
    public void LoraGaClipsWhatItTakesOutOfTheBase()
    {
        using var scope = NewDisposeScope();
        var target = FakeContext.Target("one", 40, 32, 4);
        var context = FakeContext.Random([target]);
        context.Weights["one"] *= 0.1;
        var (plain, clipped) = (new LoraGaInitialization().Initialize(context)[0], new LoraGaInitialization { NormClip = true }.Initialize(context)[0]);
        var ratio = context.Weights["one"].abs().max().item<float>() / (Compare.Product(plain.B, plain.A).abs().max().item<double>() * target.Scaling);
        Assert.IsTrue(ratio < 1, "The test needs something to clip.");
        Compare.Below(1e-5, Compare.Relative(clipped.A, plain.A * Math.Sqrt(ratio)) + Compare.Relative(clipped.B, plain.B * Math.Sqrt(ratio)), "Both factors by √ρ");
        context.Weights["one"] *= 1e4;
        Assert.AreEqual(0, Compare.Norm(new LoraGaInitialization { NormClip = true }.Initialize(context)[0].A - plain.A), "Nothing to clip");
    }

    [TestMethod]
    public void LoraGaTakesItsDirectionsAndScales()
    {
        using var scope = NewDisposeScope();
        var target = FakeContext.Target("one", 40, 32, 4);
        var context = FakeContext.Random([target]);
        var (u, s, vh) = linalg.svd(context.LossGradients["one"].to(ScalarType.Float64), false);
        var c = Math.Pow(40, 0.25) / 4;
        Expect("lora-ga", [0, 1, 2, 3], [4, 5, 6, 7], c, c, false);
        Expect("lora-ga:direction=A2rBr", [4, 5, 6, 7], [0, 1, 2, 3], c, c, false);
        Expect("lora-ga:direction=ArBr", [1, 3, 5, 7], [0, 2, 4, 6], c, c, false);
        Expect("lora-ga:scale=unit", [0, 1, 2, 3], [4, 5, 6, 7], 1, 1, false);
        Expect("lora-ga:scale=gd-scale", [0, 1, 2, 3], [4, 5, 6, 7], 1 / target.Scaling, 1 / target.Scaling, false);
        Expect("lora-ga:form=peft", [0, 1, 2, 3], [4, 5, 6, 7], 1, c, true);
        var weightValues = linalg.svdvals(context.Weights["one"].to(ScalarType.Float64));
        var mean = (weightValues.narrow(0, 0, 4) / target.Scaling).sqrt().mean().item<double>();
        Expect("lora-ga:scale=weight-svd", [0, 1, 2, 3], [4, 5, 6, 7], mean, mean, false);
        Expect("lora-ga:form=peft,scale=weight-svd", [0, 1, 2, 3], [4, 5, 6, 7], 1, weightValues[0].item<double>() / s[4].item<double>(), true);

        void Expect(string text, long[] ofA, long[] ofB, double scaleA, double scaleB, bool values)
        {
            var result = LoraInitialization.Parse(text).Initialize(context)[0];
            var b = u.index_select(1, tensor(ofB)) * scaleB;
            Compare.Below(1e-5, Compare.Relative(result.A, vh.index_select(0, tensor(ofA)) * scaleA), $"{text}: A");
            Compare.Below(1e-5, Compare.Relative(result.B, values ? b * s.index_select(0, tensor(ofB)) : b), $"{text}: B");
        }
    }

    [TestMethod]
    public void LoraGaAtRandomTakesDisjointOrEqualSets()
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([FakeContext.Target("one", 40, 32, 4)]);
        var (u, _, vh) = linalg.svd(context.LossGradients["one"].to(ScalarType.Float64), false);
        foreach (var (form, common) in new[] { (LoraGaForm.Authors, 0), (LoraGaForm.Peft, 4) })
        {
            var result = LoraInitialization.LoraGa(form, LoraGaDirection.Random, LoraGaScale.Unit).Initialize(context)[0];
            var inA = Used(vh.narrow(0, 0, 8).matmul(result.A.to(ScalarType.Float64).t()));
            var inB = Used(u.narrow(1, 0, 8).t().matmul(result.B.to(ScalarType.Float64)));
            Assert.AreEqual((4, 4), (inA.Length, inB.Length));
            Assert.AreEqual(common, inA.Intersect(inB).Count(), form.ToString());
        }

        static long[] Used(Tensor overlaps) => [.. overlaps.abs().amax([1L]).gt(1e-4).nonzero().reshape(-1).data<long>()];
    }

    [TestMethod]
    public void LoraOneIsAStepDownTheGradient()
    {
        using var scope = NewDisposeScope();
        var target = FakeContext.Target("one", 40, 32, 32);
        var context = FakeContext.Random([target]);
        var gradient = context.LossGradients["one"];
        var largest = linalg.svdvals(gradient.to(ScalarType.Float64))[0].item<double>();
        var full = LoraInitialization.LoraOne(gamma: 50).Initialize(context)[0];
        Compare.Below(1e-5, Compare.Relative(full.B.matmul(full.A), gradient * (-1 / (50 * largest))), "At full rank B·A is −G/(γ S₀)");
        var raw = LoraInitialization.LoraOne(gamma: 50, normalize: false).Initialize(context)[0];
        Compare.Below(1e-5, Compare.Relative(raw.B.matmul(raw.A), gradient * (-1.0 / 50)), "Without normalising it is −G/γ");
        Assert.IsFalse(full.SubtractFromBase);
        context.LossGradients["one"] = zeros_like(gradient);
        Assert.AreEqual(0, Compare.Norm(LoraInitialization.LoraOne().Initialize(context)[0].A), "No gradient, no step.");
    }

    [TestMethod]
    public void HrpTakesTheDirectionsOfThePreheatedProduct()
    {
        using var scope = NewDisposeScope();
        AdapterTarget[] targets = [FakeContext.Target("one", 40, 32, 4), FakeContext.Target("two", 40, 48, 6)];
        var context = FakeContext.Random(targets);
        var preheated = context.PreheatRun!(16);
        var (sideA, sideB) = (LoraInitialization.Hrp(16).Initialize(context), LoraInitialization.Hrp(16, side: HrpSide.B).Initialize(context));
        for (int i = 0; i < targets.Length; i++)
        {
            var (target, (a, b)) = (targets[i], preheated[targets[i].ModuleName]);
            var (u, _, vh) = linalg.svd(Compare.Product(b, a), false);
            Compare.Below(1e-5, Compare.RowSpaces(sideA[i].A, vh.narrow(0, 0, target.Rank)), "A's rows");
            Compare.Below(1e-5, Compare.Norm(sideA[i].A.matmul(sideA[i].A.t()) - eye(target.Rank) / 3), "A·Aᵀ = I/3");
            Compare.Below(1e-5, Compare.ColumnSpaces(sideB[i].B, u.narrow(1, 0, target.Rank)), "B's columns");
            Compare.Below(1e-4, Compare.Norm(sideB[i].B.t().matmul(sideB[i].B) / (target.OutFeatures / (3.0 * target.Rank)) - eye(target.Rank)), "BᵀB");
            Assert.AreEqual(0, Compare.Norm(sideA[i].B) + Compare.Norm(sideB[i].A));
        }
    }

    [TestMethod]
    public void CntloraMeetsItsConstraint()
    {
        using var scope = NewDisposeScope();
        // At full rank (W + ΔW) C (W + ΔW)ᵀ = τ W Wᵀ, but for the damping of C by 1 %.
        var target = FakeContext.Target("one", 12, 16, 12, alpha: 12);
        var context = FakeContext.Random([target], rows: 4000);
        var result = LoraInitialization.Cntlora(correctBase: false, rho: 1).Initialize(context)[0];
        var (x, w) = (context.Inputs["one"].to(ScalarType.Float64), context.Weights["one"].to(ScalarType.Float64));
        var c = x.t().matmul(x) / x.shape[0];
        var tau = c.diagonal(0, 0, 1).mean();
        var answered = w + Compare.Product(result.B, result.A);
        var damped = c + eye(16, 16, ScalarType.Float64) * tau * 0.01;
        Compare.Below(1e-5, Compare.Relative(answered.matmul(damped).matmul(answered.t()), w.matmul(w.t()) * tau), "Second moment of the outputs");
        Assert.IsTrue(Compare.Relative(w.matmul(c).matmul(w.t()), w.matmul(w.t()) * tau) > 0.1, "Without the answer the constraint is missed.");

        AdapterTarget[] several = [FakeContext.Target("a", 32, 24, 4), FakeContext.Target("b", 24, 24, 4)];
        Assert.AreEqual(8, LoraInitialization.Cntlora().Initialize(FakeContext.Random(several)).Sum(r => r.Rank));
    }

    [TestMethod]
    public void NloraOffersNystromsInverseAndFrozenSides()
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([FakeContext.Target("one", 40, 32, 4)]);
        context.Weights["one"] = Draw("l", 40, 4).matmul(Draw("r", 4, 32));
        var result = LoraInitialization.Nlora(trainOnlyN: true, pseudoInverse: true).Initialize(context)[0];
        Assert.IsTrue(result.FreezeA && result.FreezeB);
        Compare.Below(1e-3, Compare.Relative(result.B.matmul(result.N!).matmul(result.A), context.Weights["one"]), "Nyström is exact at W's own rank");
    }

    private static Tensor Draw(string name, long m, long n)
    {
        using var random = new Generator(SeededRandom.Hash(5, name));
        return empty(m, n).normal_(0, 1, random);
    }
}
