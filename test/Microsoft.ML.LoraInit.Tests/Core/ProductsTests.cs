using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Core;

[TestClass]
public class ProductsTests
{
    [TestMethod]
    [DataRow(new long[] { 6 })]
    [DataRow(new long[] { 3, 6 })]
    [DataRow(new long[] { 2, 3, 6 })]
    [DataRow(new long[] { 2, 1, 3, 6 })]
    [DataRow(new long[] { 0, 3, 6 })]
    public void AffineIsProductAndSum(long[] shape)
    {
        using var scope = NewDisposeScope();
        var (x, weight, bias) = (Random(1, shape), Random(2, 4, 6), Random(3, 4));
        var expected = x.matmul(weight.t()) + bias;
        var actual = Products.Affine(x, weight, bias);
        CollectionAssert.AreEqual(expected.shape, actual.shape);
        Assert.IsTrue(actual.allclose(expected, 1e-5, 1e-6));
    }

    [TestMethod]
    public void AffineTakesViewsAndGivesGradients()
    {
        using var scope = NewDisposeScope();
        var (all, weight, bias) = (Random(1, 2, 5, 6).requires_grad_(), Random(2, 4, 6).requires_grad_(), Random(3, 4).requires_grad_());
        var first = all.narrow(1, 0, 1);
        Products.Affine(first, weight, bias).square().sum().backward();
        var (toAll, toWeight, toBias) = (all.grad!.clone(), weight.grad!.clone(), bias.grad!.clone());
        foreach (var leaf in new[] { all, weight, bias })
            leaf.grad = null;
        (first.matmul(weight.t()) + bias).square().sum().backward();
        Assert.IsTrue(toAll.allclose(all.grad!) && toWeight.allclose(weight.grad!) && toBias.allclose(bias.grad!));
        Assert.IsTrue(toAll.abs().sum().item<float>() > 0);
    }

    private static Tensor Random(long seed, params long[] shape)
    {
        using var random = new Generator((ulong)seed);
        return empty(shape, ScalarType.Float32).normal_(0, 1, random);
    }
}
