using Microsoft.ML.LoraInit.Quantization;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Quantization;

[TestClass]
public sealed class Nf4ProductTests
{
    [TestMethod]
    [DataRow(ScalarType.Float32, 1e-6)]
    [DataRow(ScalarType.BFloat16, 1e-2)]
    public void ValueAndGradientAreThoseOfTheDequantisedLinear(ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var packed = Nf4.Quantize(Draw(1, 48, 80) * 0.05);
        var weight = packed.Dequantize(type);
        Tensor Leaf() => Draw(2, 2, 5, 80).to(type).detach().requires_grad_(true);
        var (x, same) = (Leaf(), Leaf());
        var direction = Draw(3, 2, 48, 5).to(type).transpose(1, 2); // not contiguous, as a head's gradient is not

        var expected = nn.functional.linear(x, weight);
        var actual = Nf4Product.Of(same, packed);
        (expected * direction).sum().backward();
        (actual * direction).sum().backward();

        Assert.AreEqual(type, actual.dtype);
        TensorAssert.Close(expected.to(ScalarType.Float32), actual.to(ScalarType.Float32), tolerance, "value");
        TensorAssert.Close(x.grad!.to(ScalarType.Float32), same.grad!.to(ScalarType.Float32), tolerance, "gradient");
    }

    [TestMethod]
    public void WithoutGradientsItIsAPlainProduct()
    {
        using var scope = NewDisposeScope();
        using var packed = Nf4.Quantize(Draw(1, 48, 80));
        var x = Draw(2, 5, 80);
        Assert.IsFalse(Nf4Product.Of(x, packed).requires_grad);
        x.requires_grad_(true);
        using (no_grad())
            Assert.IsFalse(Nf4Product.Of(x, packed).requires_grad);
        Assert.IsTrue(Nf4Product.Of(x, packed).requires_grad);
    }

    [TestMethod]
    [DoNotParallelize]
    public void TheTapeDoesNotKeepTheDequantisedWeight()
    {
        if (!NativeHeap.CanBeRead)
            Assert.Inconclusive("Only glibc says how much of its memory is in use.");
        const int Products = 24, Size = 1024; // 4 MiB each in fp32, 512 kB packed
        using var scope = NewDisposeScope();
        using var packed = Nf4.Quantize(Draw(1, Size, Size) * (1 / Math.Sqrt(Size)));
        const long Weights = Products * Size * Size * sizeof(float);
        Grown(x => Nf4Product.Of(x, packed)); // what the first calls allocate for good
        Assert.IsLessThan(Weights / 2, Grown(x => Nf4Product.Of(x, packed)));
        Assert.IsGreaterThan(Weights / 2, Grown(x => nn.functional.linear(x, packed.Dequantize(ScalarType.Float32))));

        static long Grown(Func<Tensor, Tensor> product)
        {
            using var scope = NewDisposeScope();
            var x = Draw(2, 4, Size).requires_grad_(true);
            var before = NativeHeap.InUse();
            for (int i = 0; i < Products; i++)
                x = product(x);
            var grown = NativeHeap.InUse() - before;
            x.sum().backward();
            return grown;
        }
    }

    private static Tensor Draw(ulong seed, params long[] shape)
    {
        using var random = new Generator(seed, CPU);
        return empty(shape).normal_(0, 1, random);
    }
}
