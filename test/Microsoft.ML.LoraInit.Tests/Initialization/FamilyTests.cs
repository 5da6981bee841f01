using Microsoft.ML.LoraInit.Initialization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>What every strategy must keep to, on layers of three shapes, ranks and scalings.</summary>
[TestClass]
public sealed class FamilyTests
{
    private static readonly AdapterTarget[] Targets =
    [
        FakeContext.Target("encoder.layer.0.query", 48, 48, 4),
        FakeContext.Target("encoder.layer.0.value", 48, 48, 6, alpha: 3),
        FakeContext.Target("encoder.layer.0.intermediate.dense", 80, 48, 4, rankStabilized: true),
        FakeContext.Target("encoder.layer.1.query", 48, 48, 4),
        FakeContext.Target("encoder.layer.1.output.dense", 48, 80, 4, alpha: 4),
    ];

    private static IEnumerable<object[]> Strategies => InitializationRegistry.BuiltIn
        .Select(s => s.Name switch { "inilora" => "inilora:steps=50,cacheFolder=", "hrp" => "hrp:rank=16", var name => name })
        .Concat(["pissa:iterations=4", "lora-ga:form=peft", "lora-ga:direction=random", "nonzero:correctBase=true", "cntlora:correctBase=false", "inilora:exact=true", "inilora:steps=0,sigmaRule=weights-and-biases", "nora:side=b", "corda:divisor=tokens,normalize=false", "eva:settling=all,passes=1", "milora:segment=random", "milora:segment=mid", "lora-ga:normClip=true", "lora-xs:sigma=0", "lora-null:freezeA=true", "astra:end=smallest", "loram:absorbScaling=false", "inilora-random:distribution=orthogonal", "inilora-random:distribution=sparse"])
        .Select(s => new object[] { s });

    [TestMethod]
    [DynamicData(nameof(Strategies))]
    public void TheFamilyIsKept(string text)
    {
        using var scope = NewDisposeScope();
        var strategy = LoraInitialization.Parse(text);
        var context = FakeContext.Random(Targets);
        var results = strategy.Initialize(context);
        Assert.AreEqual(Targets.Length, results.Count);
        foreach (var (target, result) in Targets.Zip(results))
        {
            strategy.Validate(target);
            CheckShapes(target, result);
            var product = result.N is null ? result.B.matmul(result.A) : result.B.matmul(result.N).matmul(result.A);
            var delta = product * Scaling(target, result);
            switch (strategy.Family)
            {
                case InitializationFamily.BaseUntouched:
                    Compare.Below(1e-6, product.abs().sum().item<float>() / product.numel(), $"{text} on {target.ModuleName}: |B·A|");
                    Assert.IsFalse(result.SubtractFromBase || result.ReplacementBase is not null);
                    break;
                case InitializationFamily.BaseCorrected:
                    Assert.IsTrue(result.SubtractFromBase);
                    var weight = context.Weight(target);
                    Compare.Below(1e-6, (weight - delta + delta - weight).abs().max().item<float>(), $"{text} on {target.ModuleName}: change of W");
                    break;
                default:
                    Assert.IsFalse(result.SubtractFromBase);
                    Assert.IsTrue(result.Rank == 0 || Compare.Norm(delta) > 0, $"{text} on {target.ModuleName} must change the function.");
                    break;
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(Strategies))]
    public void ResultsDependNeitherOnTheOrderOfLayersNorOnOtherStrategies(string text)
    {
        using var scope = NewDisposeScope();
        var strategy = LoraInitialization.Parse(text);
        var first = ByName(Targets, strategy.Initialize(FakeContext.Random(Targets)));
        LoraInitialization.Kaiming().Initialize(FakeContext.Random(Targets));
        rand(3).Dispose();
        AdapterTarget[] reversed = [.. Targets.Reverse()];
        var second = ByName(reversed, strategy.Initialize(FakeContext.Random(reversed)));
        foreach (var target in Targets)
        {
            var (a, b) = (first[target.ModuleName], second[target.ModuleName]);
            Assert.IsTrue(Same(a.A, b.A) && Same(a.B, b.B), $"{text}: {target.ModuleName} changed with the order of layers.");
        }
    }

    [TestMethod]
    [DataRow("kaiming")]
    [DataRow("gaussian")]
    [DataRow("init-b")]
    [DataRow("nonzero")]
    [DataRow("orthogonal")]
    [DataRow("inilora-alpha")]
    [DataRow("inilora-beta")]
    [DataRow("nora")]
    [DataRow("nora:side=b")]
    [DataRow("slora")]
    [DataRow("milora:segment=random")]
    [DataRow("inilora-random")]
    [DataRow("inilora-random:distribution=orthogonal")]
    [DataRow("inilora:steps=1,fitSeed=null,cacheFolder=")]
    [DataRow("inilora:steps=0,fitSeed=null")]
    public void SeedsAndLayersDrawApart(string text)
    {
        using var scope = NewDisposeScope();
        var strategy = LoraInitialization.Parse(text);
        var (zero, one) = (strategy.Initialize(FakeContext.Random(Targets)), strategy.Initialize(FakeContext.Random(Targets, seed: 1)));
        Assert.IsFalse(Same(zero[0].A, one[0].A) && Same(zero[0].B, one[0].B), "The seed must matter.");
        Assert.IsFalse(Same(zero[0].A, zero[3].A) && Same(zero[0].B, zero[3].B), "Layers of one shape must differ.");
    }

    [TestMethod]
    [DynamicData(nameof(Strategies))]
    public void NothingIsLeftInNativeMemory(string text)
    {
        var strategy = LoraInitialization.Parse(text);
        long Count()
        {
            using var scope = NewDisposeScope();
            var context = FakeContext.Random(Targets);
            var results = strategy.Initialize(context);
            foreach (var tensor in results.SelectMany(r => new[] { r.A, r.B, r.N, r.ReplacementBase }))
                Assert.IsTrue(tensor is null || !tensor.IsInvalid);
            return TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        }

        long before = TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Count();
        Assert.AreEqual(before, TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount, "Live tensors after the scope's end");
    }

    [TestMethod]
    public void MicaFreezesMinorDirectionsInB()
    {
        using var scope = NewDisposeScope();
        var context = FakeContext.Random(Targets);
        foreach (var (target, result) in Targets.Zip(LoraInitialization.Mica().Initialize(context)))
        {
            Assert.IsTrue(result.FreezeB && !result.FreezeA);
            Assert.AreEqual(0, Compare.Norm(result.A));
            Compare.Below(1e-4, Compare.Norm(result.B.t().matmul(result.B) - eye(target.Rank)), "BᵀB − I");
            var u = linalg.svd(context.Weight(target).to(ScalarType.Float64), false).U;
            Compare.Below(1e-4, Compare.ColumnSpaces(result.B, u.narrow(1, u.shape[1] - target.Rank, target.Rank)), "Distance from the minor subspace");
        }
    }

    /// <summary>What is checked before long work starts must be what the strategy does.</summary>
    [TestMethod]
    [DynamicData(nameof(Strategies))]
    public void TheFactorThatIsSaidToStartAtZeroDoes(string text)
    {
        using var scope = NewDisposeScope();
        var strategy = LoraInitialization.Parse(text);
        foreach (var result in strategy.Initialize(FakeContext.Random(Targets)).Where(r => r.Rank > 0))
        {
            Assert.AreEqual(strategy.ZeroFactor is AdapterFactor.A, Compare.Norm(result.A) == 0, $"{text}: A");
            Assert.AreEqual(strategy.ZeroFactor is AdapterFactor.B, Compare.Norm(result.B) == 0, $"{text}: B");
        }
    }

    [TestMethod]
    public void CancellingStopsWork()
    {
        using var scope = NewDisposeScope();
        foreach (var text in new[] { "pissa", "olora", "inilora:steps=100,cacheFolder=", "corda", "eva", "hrp:rank=16", "astra", "lora-null", "cloq", "lora-xs", "lora-sb" })
        {
            var context = FakeContext.Random(Targets);
            context.Cancellation.Cancel();
            Assert.ThrowsExactly<OperationCanceledException>(() => LoraInitialization.Parse(text).Initialize(context), text);
        }
    }

    private static double Scaling(AdapterTarget target, InitializedAdapter result) =>
        result.Alpha is { } alpha ? (target with { Rank = result.Rank, Alpha = alpha }).Scaling : target.Scaling;

    private static void CheckShapes(AdapterTarget target, InitializedAdapter result)
    {
        CollectionAssert.AreEqual(new long[] { result.Rank, target.InFeatures }, result.A.shape);
        CollectionAssert.AreEqual(new long[] { target.OutFeatures, result.Rank }, result.B.shape);
        Assert.AreEqual(ScalarType.Float32, result.A.dtype);
        Assert.AreEqual(ScalarType.Float32, result.B.dtype);
        Assert.IsTrue(result.A.isfinite().all().item<bool>() && result.B.isfinite().all().item<bool>());
    }

    private static Dictionary<string, InitializedAdapter> ByName(AdapterTarget[] targets, IReadOnlyList<InitializedAdapter> results) =>
        targets.Zip(results).ToDictionary(p => p.First.ModuleName, p => p.Second);

    private static bool Same(Tensor a, Tensor b) =>
        a.shape.SequenceEqual(b.shape) && a.data<float>().ToArray().SequenceEqual(b.data<float>().ToArray());
}
