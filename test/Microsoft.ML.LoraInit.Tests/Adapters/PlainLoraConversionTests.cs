using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using Microsoft.ML.LoraInit.Tests.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters;

[TestClass]
public sealed class PlainLoraConversionTests
{
    private const double Exact = 1e-5;

    [TestMethod]
    [DataRow("plain", 1)]
    [DataRow("some", 1)]
    [DataRow("freeze", 1)]
    [DataRow("subtract", 2)]
    [DataRow("subtract-rs", 2)]
    [DataRow("dora", 1)]
    [DataRow("dora-subtract", 2)]
    [DataRow("middle", 1)]
    [DataRow("middle-subtract", 2)]
    public void TheConvertedAdapterOverTheUntouchedBaseIsTheModel(string start, int factor)
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base();
        using var state = Trained(weights, start);

        var plain = PlainLoraConversion.Convert(state, NoBase);

        Assert.IsTrue(plain.Count > 0 && plain.All(a => a.IsExact));
        Assert.AreEqual(0, PlainLoraConversion.RelativeError(plain));
        foreach (var ((_, target, _), adapter) in state.Adapters.Zip(plain))
        {
            Assert.AreEqual(factor * target.Rank, adapter.Target.Rank);
            Assert.AreEqual(target.Rank, adapter.TrainedRank);
            Assert.AreEqual(target.Scaling, adapter.Target.Scaling, 1e-12);
            Assert.AreEqual(target.Alpha * (target.RankStabilized ? Math.Sqrt(factor) : factor), adapter.Target.Alpha, 1e-12);
        }
        AssertMerged(state, weights, plain, Exact);
    }

    [TestMethod]
    public void AStackedRankAboveWhatTheLayerCanHaveIsCompressedWithoutLoss()
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base();
        using var state = Trained(weights, "subtract", rank: 12);

        var plain = PlainLoraConversion.Convert(state, NoBase);

        Assert.IsTrue(plain.All(a => a.Target.Rank == 16 && a.IsExact && a.Lost == 0), "the layers have 16 rows or columns at least one way");
        AssertMerged(state, weights, plain, Exact);
    }

    [TestMethod]
    [DataRow("plain")]
    [DataRow("subtract")]
    [DataRow("middle-subtract")]
    [DataRow("dora-subtract")]
    public void CompressionTellsItsErrorAndLosesLessWithMoreRank(string start)
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base();
        using var state = Trained(weights, start);
        int exactRank = PlainLoraConversion.Convert(state, NoBase)[0].Target.Rank;

        double last = double.MaxValue;
        for (int rank = 1; rank <= exactRank + 1; rank++)
        {
            var plain = PlainLoraConversion.Convert(state, Base(weights), rank);
            Assert.IsTrue(plain.All(a => a.Target.Rank == Math.Min(rank, exactRank)));
            var told = PlainLoraConversion.RelativeError(plain);
            Assert.AreEqual(MeasuredError(state, weights, plain), told, 1e-5, $"rank {rank}");
            Assert.AreEqual(rank >= exactRank, plain.All(a => a.IsExact));
            // Truncation is optimal for the product; DoRA's rescaling need not follow it from rank to rank.
            if (!start.StartsWith("dora", StringComparison.Ordinal))
                Assert.IsTrue(told <= last, $"rank {rank} loses {told}, a lower one {last}");
            last = told;
        }
        Assert.AreEqual(0, last);
    }

    [TestMethod]
    [DataRow("replace")]
    [DataRow("dora-replace")]
    public void AReplacedBaseNeedsARank(string start)
    {
        using var scope = NewDisposeScope();
        using var weights = TinyModel.Base();
        using var state = Trained(weights, start);

        var error = Assert.ThrowsExactly<NotSupportedException>(() => PlainLoraConversion.Convert(state, Base(weights)));
        StringAssert.Contains(error.Message, state.Adapters[0].Target.ModuleName);
        StringAssert.Contains(error.Message, "rank");

        var some = PlainLoraConversion.Convert(state, Base(weights), 6);
        var told = PlainLoraConversion.RelativeError(some);
        Assert.IsTrue(told > 0.01 && !some.Any(a => a.IsExact));
        Assert.AreEqual(MeasuredError(state, weights, some), told, 1e-5);
        var all = PlainLoraConversion.Convert(state, Base(weights), 16);
        Assert.IsTrue(all.All(a => a.IsExact));
        AssertMerged(state, weights, all, 1e-4);
    }

    [TestMethod]
    [DataRow("head", "merged")]
    [DataRow("full", "merged")]
    [DataRow("bitfit", "merged")]
    [DataRow("houlsby:size=4", ".mlnet")]
    public void AModelWithoutLowRankAdaptersIsRefused(string method, string advice)
    {
        using var weights = TinyModel.Base();
        using var model = TinyModel.Create(weights);
        FineTuningMethod.Parse(method).Apply(model, AdapterTests.Settings, 1, _ => []);
        using var state = FineTunedState.Capture(model, FineTuningMethod.Parse(method), null);
        var error = Assert.ThrowsExactly<NotSupportedException>(() => PlainLoraConversion.Convert(state, NoBase));
        StringAssert.Contains(error.Message, method.Split(':')[0]);
        StringAssert.Contains(error.Message, advice);
    }

    [TestMethod]
    public void ARankBelowOneIsRefused()
    {
        using var weights = TinyModel.Base();
        using var state = Trained(weights, "plain");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => PlainLoraConversion.Convert(state, NoBase, 0));
    }

    /// <summary>A model trained for some steps from factors of the given kind.</summary>
    internal static FineTunedState Trained(BaseWeights weights, string start, int? rank = null, Func<AdapterSettings, AdapterSettings>? change = null)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create(weights);
        var settings = AdapterTests.Settings with
        {
            UseDora = start.StartsWith("dora", StringComparison.Ordinal),
            RankStabilized = start.EndsWith("-rs", StringComparison.Ordinal),
            Rank = rank ?? AdapterTests.Settings.Rank,
        };
        settings = change?.Invoke(settings) ?? settings;
        InitializedAdapter Change(InitializedAdapter f) => start switch
        {
            _ when start.Contains("subtract", StringComparison.Ordinal) => f with { SubtractFromBase = true },
            _ when start.Contains("replace", StringComparison.Ordinal) => f with { ReplacementBase = Replacement(f.B.shape[0], f.A.shape[1]) },
            "freeze" => f with { FreezeA = true },
            "some" => f.A.shape[1] == 32 ? f with { A = zeros([0, 32]), B = zeros([f.B.shape[0], 0]) } : f,
            _ => f,
        };
        FineTuningMethod.Lora().Apply(model, settings, 11, targets => AdapterTests.RandomFactors(targets, Change, start.StartsWith("middle", StringComparison.Ordinal)));
        Steps.Free(Steps.Run(model, 4, dropoutSeed: 2));
        return FineTunedState.Capture(model, FineTuningMethod.Lora(), LoraInitialization.Kaiming());
    }

    internal static Func<string, Tensor> Base(BaseWeights weights) => module => weights[$"{module}.weight"];

    private static Tensor NoBase(string module) => throw new AssertFailedException($"The weight of '{module}' is not needed.");

    private static Tensor Replacement(long rows, long columns)
    {
        using var generator = new Generator(5, CPU);
        return empty(rows, columns).normal_(0.0, 0.3, generator);
    }

    private static void AssertMerged(FineTunedState state, BaseWeights weights, IReadOnlyList<PlainAdapter> plain, double tolerance)
    {
        var merged = state.MergedWeights(weights, CPU, ScalarType.Float32);
        foreach (var adapter in plain)
        {
            var name = $"{adapter.Target.ModuleName}.weight";
            TensorAssert.Close(merged[name], adapter.EffectiveWeight(weights[name]), tolerance, name);
        }
        foreach (var tensor in merged.Values)
            tensor.Dispose();
    }

    private static double MeasuredError(FineTunedState state, BaseWeights weights, IReadOnlyList<PlainAdapter> plain)
    {
        var merged = state.MergedWeights(weights, CPU, ScalarType.Float32);
        double lost = 0, norm = 0;
        foreach (var adapter in plain)
        {
            var weight = weights[$"{adapter.Target.ModuleName}.weight"].to(ScalarType.Float64);
            var wanted = merged[$"{adapter.Target.ModuleName}.weight"].to(ScalarType.Float64);
            lost += (wanted - adapter.EffectiveWeight(weight)).square().sum().item<double>();
            norm += (wanted - weight).square().sum().item<double>();
        }
        foreach (var tensor in merged.Values)
            tensor.Dispose();
        return Math.Sqrt(lost / norm);
    }
}
