using System.Diagnostics;
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
    public void TheTapeDoesNotKeepTheDequantisedWeight()
    {
        const int Products = 24, Size = 2048; // 16 MiB each in fp32, 2 MiB packed
        using var scope = NewDisposeScope();
        using var packed = Nf4.Quantize(Draw(1, Size, Size) * (1 / Math.Sqrt(Size)));
        var leaf = Draw(2, 4, Size).requires_grad_(true);
        Nf4Product.Of(leaf, packed).sum().backward(); // what the first call allocates for good
        var before = WorkingSet();
        var x = leaf;
        for (int i = 0; i < Products; i++)
            x = Nf4Product.Of(x, packed);
        var grown = WorkingSet() - before;
        x.sum().backward();
        Assert.IsTrue(grown < Products * Size * Size * sizeof(float) / 2, $"{grown >> 20} MiB more for {Products} products on the tape.");
    }

    private static long WorkingSet()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private static Tensor Draw(ulong seed, params long[] shape)
    {
        using var random = new Generator(seed, CPU);
        return empty(shape).normal_(0, 1, random);
    }
}
