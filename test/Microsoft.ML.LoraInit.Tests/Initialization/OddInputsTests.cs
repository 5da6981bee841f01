using Microsoft.ML.LoraInit.Training.Checkpointing;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>Weights, inputs and gradients that are zero or of a low rank: starts stay finite, and what cannot learn is told.</summary>
[TestClass]
public sealed class OddInputsTests
{
    private static readonly AdapterTarget Target = FakeContext.Target("one", 32, 24, 4);

    [TestMethod]
    [DataRow("corda", 0)]
    [DataRow("lora-null", 0)]
    [DataRow("astra", 0)]
    [DataRow("corda", 1e-42)]
    [DataRow("corda", 1e-20)]
    public void ATextWhoseInputsAreZeroOrTinySpoilsNothing(string text, double size)
    {
        using var scope = NewDisposeScope();
        var x = FakeContext.Random([Target], rows: 60).Inputs["one"];
        x.narrow(0, 0, 10).fill_(size);
        x.narrow(0, 10, 10).fill_(-1).select(1, 0).fill_(size); // the largest by sign
        var context = new FakeContext([Target]) { Weights = FakeContext.Random([Target]).Weights, Inputs = new() { ["one"] = x }, RowLength = 10 };
        var result = LoraInitialization.Parse(text).Initialize(context)[0];
        Assert.IsTrue(result.A.isfinite().all().item<bool>() && result.B.isfinite().all().item<bool>());
        var values = linalg.svdvals(result.B.matmul(result.A));
        Assert.IsTrue((values[3] / values[0]).item<float>() > 1e-4, "all four directions are there");
    }

    [TestMethod]
    [DataRow("lora-ga")]
    [DataRow("lora-ga:form=peft,scale=weight-svd")]
    [DataRow("lora-one")]
    [DataRow("lora-sb")]
    public void AGradientOfZeroGivesNumbers(string text)
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([Target]);
        context.LossGradients["one"] = zeros(32, 24);
        var result = LoraInitialization.Parse(text).Initialize(context)[0];
        Assert.IsTrue(new[] { result.A, result.B, result.N }.OfType<Tensor>().All(t => t.isfinite().all().item<bool>()));
    }

    [TestMethod]
    public void EvaDoesNotWhitenDirectionsWithoutVariance()
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([Target]);
        context.Inputs["one"] = context.Inputs["one"].narrow(1, 0, 2).matmul(randn(2, 24, generator: new Generator(1)));
        var a = new EvaInitialization { Rho = 1, Whiten = true }.Initialize(context)[0].A;
        var lengths = a.norm(1).data<float>().ToArray();
        Assert.IsTrue(lengths[0] < 1 && lengths[1] < 1, string.Join(' ', lengths));
        Assert.AreEqual(1, lengths[2], 1e-5);
        Assert.AreEqual(1, lengths[3], 1e-5);
    }

    [TestMethod]
    public void NloraDoesNotInvertTheRoundingOfALowRank()
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([Target]);
        var w = context.Weights["one"] = context.Weights["one"].narrow(1, 0, 2).matmul(randn(2, 24, generator: new Generator(1)));
        var result = new NloraInitialization { PseudoInverse = true }.Initialize(context)[0];
        Compare.Below(1e-3, Compare.Relative(result.B.matmul(result.N!).matmul(result.A), w), "Nyström is exact at the weight's own rank");
    }

    [TestMethod]
    public void DirectionsThatNeverLearnAreTold()
    {
        var second = Target with { ModuleName = "two" };
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([Target, second]);
        context.Weights["two"] = zeros(32, 24);
        using var start = new InitialFactors();
        start.Compute(LoraInitialization.Pissa(), context, CPU);
        StringAssert.Contains(context.Warnings.Single(), "'pissa' left both factors of 4 of 8 directions at zero, 'two' among them");
    }

    [TestMethod]
    [DataRow("kaiming")]
    [DataRow("orthogonal")]
    [DataRow("lora-xs:sigma=0")]
    [DataRow("mica")]
    public void WhatLearnsIsNot(string text)
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([Target]);
        using var start = new InitialFactors();
        start.Compute(LoraInitialization.Parse(text), context, CPU);
        Assert.IsEmpty(context.Warnings);
    }

    [TestMethod]
    public void NumbersThatAreNoneAreRefusedByLayer()
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random([Target with { Alpha = 1e-300 }]);
        using var start = new InitialFactors();
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => start.Compute(LoraInitialization.Nora(), context, CPU));
        StringAssert.Contains(error.Message, "'nora' made A of 'one' with numbers that are not finite");
        StringAssert.Contains(error.Message, "alpha 1E-300");
    }

    [TestMethod]
    public void FactorsThatDoNotFitAreRefusedByLayer()
    {
        using var scope = NewDisposeScope();
        using var start = new InitialFactors();
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => start.Compute(new Misfit(), FakeContext.Random([Target]), CPU));
        StringAssert.Contains(error.Message, "'one' made B of the shape [32, 3] where [32, 4] is needed");
    }

    private sealed record Misfit : LoraInitialization
    {
        public override string Name => "misfit";

        public override InitializationFamily Family => InitializationFamily.BaseUntouched;

        public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => [new(ones(4, 24), zeros(32, 3))];
    }
}
