using Microsoft.ML.LoraInit.Quantization;
using Microsoft.ML.LoraInit.Tests.Initialization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Quantization;

[TestClass]
public sealed class Nf4Tests
{
    [TestMethod]
    public void TheLevelsAreTheNormalsQuantiles()
    {
        // QLoRA's construction: 8 quantiles above and 7 below zero, evenly spaced in probability up to 1 − ½(1/32 + 1/30).
        double offset = 1 - 0.5 * (1.0 / 32 + 1.0 / 30);
        var positive = Enumerable.Range(0, 8).Select(i => Quantile(offset + (0.5 - offset) * i / 8)).ToArray();
        var negative = Enumerable.Range(0, 7).Select(i => -Quantile(offset + (0.5 - offset) * i / 7)).ToArray();
        double[] expected = [.. negative.Concat(positive).Append(0).Order().Select(v => v / positive[0])];
        for (int i = 0; i < 16; i++)
            Assert.AreEqual(expected[i], Nf4.Levels[i], 1e-5, $"Level {i}");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void WeightsComeBackAtTheNearestLevel(bool doubleQuantization)
    {
        using var scope = NewDisposeScope();
        var weight = Draw(96, 100) * 0.05;                                                  // 150 blocks, all full
        using var packed = Nf4.Quantize(weight, doubleQuantization);
        var back = packed.Dequantize();
        CollectionAssert.AreEqual(weight.shape, back.shape);
        var blocks = weight.view(-1, Nf4.BlockSize);
        var scales = blocks.abs().amax([1L], true);
        var levels = tensor(Nf4.Levels.ToArray());
        var nearest = ((blocks / scales).unsqueeze(2) - levels).abs().min(2).values.mul(scales);
        var error = (back.view(-1, Nf4.BlockSize) - blocks).abs();
        // Without double quantisation the error is the distance to the nearest level; with it the scales err too, below 1 %.
        var slack = doubleQuantization ? 0.01 * scales : 1e-6 * scales;
        Compare.Below(0, (error - nearest - slack).max().item<float>(), "Error beyond the nearest level");
        Assert.IsTrue(Compare.Relative(back, weight) is > 0.05 and < 0.11, "NF4 of a normal weight errs by about 9 %.");
    }

    [TestMethod]
    public void ExactLevelsZerosAndOddSizesSurvive()
    {
        using var scope = NewDisposeScope();
        var exact = tensor(Nf4.Levels.ToArray()).repeat(4).mul(0.25f);                      // one block
        Compare.Below(1e-7, Compare.Norm(Nf4.RoundTrip(exact, false) - exact), "Levels");
        Assert.AreEqual(0, Compare.Norm(Nf4.RoundTrip(zeros(3, 64), false)));
        Compare.Below(1e-7, Compare.Norm(Nf4.RoundTrip(zeros(3, 64), true)), "Zeros under double quantisation");
        var odd = Draw(7, 13);
        CollectionAssert.AreEqual(new long[] { 7, 13 }, Nf4.RoundTrip(odd).shape);
        Compare.Below(0.15, Compare.Relative(Nf4.RoundTrip(odd), odd), "91 weights");
    }

    [TestMethod]
    public void TheMemoryIsFourBitsAndTheScales()
    {
        using var scope = NewDisposeScope();
        var weight = Draw(768, 768);
        using var plain = Nf4.Quantize(weight, false);
        using var twice = Nf4.Quantize(weight, true);
        Assert.AreEqual(4.5, plain.Bytes * 8.0 / weight.numel(), 1e-9);
        Assert.AreEqual(4.127, twice.Bytes * 8.0 / weight.numel(), 1e-3);
        Assert.AreEqual(ScalarType.Byte, twice.Codes.dtype);
        Compare.Below(0.01, Compare.Relative(twice.Dequantize(), plain.Dequantize()), "What double quantisation adds");
    }

    [TestMethod]
    public void LoftqBringsBaseAndProductNearerToTheWeight()
    {
        using var scope = NewDisposeScope();
        var targets = new[] { FakeContext.Target("layer.0.query", 96, 128, 8), FakeContext.Target("layer.1.query", 96, 128, 8, alpha: 8) };
        double[] last = [double.MaxValue, double.MaxValue];
        foreach (var iterations in new[] { 1, 5 })
        {
            var context = FakeContext.Random(targets);
            var results = LoraInitialization.Loftq(iterations, doubleQuantization: false).Initialize(context);
            for (int i = 0; i < targets.Length; i++)
            {
                var (weight, result) = (context.Weight(targets[i]), results[i]);
                var plain = Compare.Relative(Nf4.RoundTrip(weight, false), weight);
                var error = Compare.Relative(result.ReplacementBase! + result.B.matmul(result.A) * targets[i].Scaling, weight);
                Compare.Below(0.95 * plain, error, $"Error of {i} after {iterations}");
                Compare.Below(last[i], error, $"Error of {i} must fall with the rounds");
                last[i] = error;
                // The base is held in NF4: quantising it again changes nothing.
                Compare.Below(1e-6, Compare.Relative(Nf4.RoundTrip(result.ReplacementBase!, false), result.ReplacementBase!), "Base");
            }
        }
    }

    private static Tensor Draw(long m, long n)
    {
        using var random = new Generator(3);
        return empty(m, n).normal_(0, 1, random);
    }

    // The normal's inverse distribution function by bisection of erfc's series in the KS helper.
    private static double Quantile(double p)
    {
        var cumulative = KolmogorovSmirnov.Normal(1);
        double low = -10, high = 10;
        for (int i = 0; i < 80; i++)
            (low, high) = cumulative((low + high) / 2) < p ? ((low + high) / 2, high) : (low, (low + high) / 2);
        return low;
    }
}
