using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Initialization;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters.Family;

/// <summary>Variants of LoRA on starts and ranks at the edge of what there is.</summary>
[TestClass]
public sealed class OddStartsTests
{
    [TestMethod]
    [DataRow("adalora")]
    [DataRow("kasa")]
    [DataRow("rm-lora")]
    public void FactorsThatAreOrthonormalAlreadyHaveAPenaltyWithAGradient(string method)
    {
        using var run = new TinyRun(FineTuningMethod.Parse(method), start: f => f with { A = eye(f.A.shape[0], f.A.shape[1]), B = eye(f.B.shape[0], f.B.shape[1]) });
        using var scope = NewDisposeScope();
        run.Parameters.Bind();
        run.Hooks.Penalty()!.backward();
        Assert.IsTrue(run.Parameters.Gradient().isfinite().all().item<bool>());
    }

    // B·A = 0 for both; with gates at random it would not be.
    [TestMethod]
    [DataRow("sora", "orthogonal", true)]
    [DataRow("kasa", "orthogonal", true)]
    [DataRow("kasa", "nonzero", true)]
    [DataRow("sora", "kaiming", false)]
    [DataRow("kasa", "init-b", false)]
    public void GatesAreOneUnlessAFactorIsZero(string method, string start, bool ones)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        FineTuningMethod.Parse(method).Apply(model, new AdapterSettings { Rank = 4 }, 1, targets => LoraInitialization.Parse(start).Initialize(FakeContext.Random(targets)));
        foreach (var adapter in model.Linears.Select(l => l.Adapter).OfType<GatedAdapter>())
            Assert.AreEqual(ones, adapter.Gate.Value.eq(1).all().item<bool>(), adapter.Target.ModuleName);
    }

    [TestMethod]
    public void DyloraUsesAllOfALowerRankThatDataChose()
    {
        using var scope = NewDisposeScope();
        var target = new AdapterTarget("layer", 5, 7, 2, 4, false);
        var (a, b) = (randn(2, 5), randn(7, 2));
        var factors = new DyloraKind(4, false).Factors(target, suffix => suffix == LinearAdapter.Names.A ? a : b);
        TensorAssert.Identical(b.matmul(a), factors.Product(), "the product");
    }

    [TestMethod]
    public void DylorasPartsHaveRsLorasScaleOfTheirRank()
    {
        using var scope = NewDisposeScope();
        var target = new AdapterTarget("layer", 5, 7, 4, 6, RankStabilized: true);
        using var adapter = new DyloraAdapter(target, randn(4, 5), randn(7, 4), use: 2, frozen: false, dropout: 0);
        var expected = adapter.B.Value.narrow(1, 0, 2).matmul(adapter.A.Value.narrow(0, 0, 2)) * (6 / Math.Sqrt(2));
        TensorAssert.Close(expected, adapter.EffectiveWeight(zeros(7, 5)), 1e-5, "the model's");
        adapter.Choose(2);
        var linear = new Linear("layer", new Parameter("layer.weight", zeros(7, 5), owned: true), new Parameter("layer.bias", zeros(7), owned: true));
        var x = randn(3, 5);
        TensorAssert.Close(x.matmul(expected.t()), adapter.forward(x, linear, new ForwardContext { IsTraining = true }), 1e-5, "a step's");
    }

    [TestMethod]
    public void KasaLeavesATripletWhereDataChoseAllOfTheRank()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var weights = TinyModel.Base();
        using var model = TinyModel.Create(weights);
        // A rank of 20, as EVA may give, on weights [16, 16].
        FineTuningMethod.Kasa().Apply(model, new AdapterSettings { Rank = 4 }, 1, targets => [.. targets.Select(t => new InitializedAdapter(randn(20, t.InFeatures), zeros(t.OutFeatures, 20)))]);
        var linear = model.Linears.First(l => l.Adapter is not null);
        var (before, after) = (linalg.svdvals(weights[$"{linear.Name}.weight"]), linalg.svdvals(linear.Adapter!.EffectiveWeight(linear.Weight.Value)));
        TensorAssert.Close(before[0], after[0], 1e-5, "the largest");
        Assert.IsTrue(after[1].item<float>() < 1e-5);
    }

    [TestMethod]
    public void LoraProDoesNotBlowUpDirectionsThatAFactorHasByRounding()
    {
        // Of rank 2 up to fp32's rounding, as the start 'orthogonal' makes factors.
        Tensor Half(Tensor b) => b.narrow(1, 0, 2).to(ScalarType.Float64).matmul(randn(2, 4, ScalarType.Float64, generator: new Generator(5))).to(ScalarType.Float32);
        using var run = new TinyRun(FineTuningMethod.LoraPro(), start: f => f with { B = Half(f.B) });
        using var scope = NewDisposeScope();
        run.Backward();
        using var noGrad = no_grad();
        var before = run.Parameters.Flat.detach().clone();
        run.Hooks.BeforeUpdate(0, 1);
        var largest = (run.Parameters.Flat.detach() - before).abs().max().item<float>();
        Assert.IsTrue(largest < 20, $"{largest}");
    }

    [TestMethod]
    public void AdaLorasLastCutComesWithTheLastStepWhereNoneIsToFollow()
    {
        foreach (var (final, total) in new[] { (0L, 2L), (0L, 9L), (1L, 9L) })
            Assert.AreEqual(8, new BudgetSchedule(0, final, total, 1, 12, 8).At(total - 1), $"{final} of {total}");
        Assert.ThrowsExactly<ArgumentException>(() => FineTuningMethod.AdaLora().CheckRun(1));
        FineTuningMethod.AdaLora().CheckRun(2);
    }

    [TestMethod]
    public void AnInitialRankWithoutRoomIsNamed() => StringAssert.Contains(
        Assert.ThrowsExactly<ArgumentException>(() => FineTuningMethod.AdaLora().Targets(new AdapterSettings { Rank = 15 }, TinyModel.Config)).Message,
        "AdaLoraMethod.InitialRank (by default 1.5 times the target rank of 15) = 23 does not fit");

    [TestMethod]
    public void DoraTakesRowsOfZeros()
    {
        using var scope = NewDisposeScope();
        using var plain = TinyModel.Base();
        using (no_grad())
            foreach (var (name, value) in plain.Tensors.Where(t => t.Key.EndsWith("query.weight", StringComparison.Ordinal)))
                value[1].zero_();
        using var model = TinyModel.Create(plain);
        using var untouched = TinyModel.Create(plain);
        AdapterTests.Attach(model, f => f with { B = zeros_like(f.B) }, AdapterTests.Settings with { UseDora = true });
        TensorAssert.Close(TinyModel.Logits(untouched), TinyModel.Logits(model), 1e-5, "logits");
        using var parameters = new TrainableParameters(model.Parameters);
        parameters.Bind();
        nn.functional.cross_entropy(model.forward(TinyModel.Batch(), new ForwardContext { IsTraining = true }), TinyModel.Labels()).backward();
        Assert.IsTrue(parameters.Gradient().isfinite().all().item<bool>());
        foreach (var linear in model.Linears.Where(l => l.Adapter is not null))
            Assert.IsTrue(linear.Adapter!.EffectiveWeight(linear.Weight.Value).isfinite().all().item<bool>(), linear.Name);
    }
}
