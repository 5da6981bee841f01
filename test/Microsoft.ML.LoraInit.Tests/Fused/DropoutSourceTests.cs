using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Fused;

[TestClass]
public class DropoutSourceTests
{
    private const int Count = 1 << 18;

    // Both kinds run on the CPU, so both are tested on every machine.
    private static IEnumerable<object[]> Kinds => [["host"], ["tensor"]];

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void KeepsTheShareAskedForAndScalesIt(string kind)
    {
        using var scope = NewDisposeScope();
        using var source = Create(kind, 7);
        foreach (var keep in new[] { 0.9, 0.5, 0.123 })
        {
            var mask = source.Mask(zeros(64, Count / 64), keep);

            Assert.AreEqual(keep, mask.ne(0).to(ScalarType.Float64).mean().item<double>(), 5 * Math.Sqrt(keep * (1 - keep) / Count), $"share of {keep}");
            Assert.AreEqual(1 / keep, mask.max().item<float>(), 1e-5);
            CollectionAssert.AreEqual(new long[] { 64, Count / 64 }, mask.shape);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void MasksOfOneStepAreUncorrelated(string kind)
    {
        using var scope = NewDisposeScope();
        using var source = Create(kind, 7);
        var x = zeros(Count);
        var masks = Enumerable.Range(0, 6).Select(_ => source.Mask(x, 0.5).sub(1)).ToArray();

        for (int i = 0; i < masks.Length; i++)
            for (int j = 0; j < i; j++)
                Assert.AreEqual(0, (masks[i] * masks[j]).mean().item<float>(), 5 / Math.Sqrt(Count), $"masks {i} and {j}");
        for (int lag = 1; lag < 70; lag++)
            Assert.AreEqual(0, (masks[0].narrow(0, 0, Count - lag) * masks[0].narrow(0, lag, Count - lag)).mean().item<float>(), 5.5 / Math.Sqrt(Count), $"lag {lag}");
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void TheSeedDecidesAndTheGlobalStateStays(string kind)
    {
        using var scope = NewDisposeScope();
        var x = zeros(1000);
        var state = get_rng_state();
        Tensor Draw(ulong seed)
        {
            using var source = Create(kind, seed);
            source.Mask(zeros(10), 0.5);
            return source.Mask(x, 0.5);
        }

        Assert.IsTrue(Draw(1).eq(Draw(1)).all().item<bool>());
        Assert.IsFalse(Draw(1).eq(Draw(2)).all().item<bool>());
        Assert.IsTrue(state.eq(get_rng_state()).all().item<bool>());
    }

    private static DropoutSource Create(string kind, ulong seed) =>
        kind == "tensor" ? new KernelDropout(new TensorKernels(), tensor(new[] { unchecked((long)seed) })) : KernelDropout.FromSeed(seed, CPU);
}
