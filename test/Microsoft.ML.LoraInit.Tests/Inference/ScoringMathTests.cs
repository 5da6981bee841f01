using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Inference;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inference;

[TestClass]
public class ScoringMathTests
{
    private const double Eps = 1e-5;

    [TestMethod]
    [DataRow(false, 2)]
    [DataRow(true, 0)]
    public void KernelsComputeWhatNoGradientIsWantedOf(bool wantsGradient, int calls)
    {
        using var scope = NewDisposeScope();
        var kernels = new CountingKernels();
        var (update, residual, norm) = (ones(3, 8).cumsum(1), ones(3, 1, 8).expand(3, 2, 8).select(1, 0).cumsum(0), (ones(8) * 2, ones(8)));
        if (wantsGradient)
            update = update.requires_grad_() * 1;
        var math = new ScoringMath(kernels, Eps);
        var (normed, activated) = (math.AddNorm(update.clone(), residual, norm), math.Gelu(update));
        Assert.AreEqual(calls, kernels.Calls);
        Assert.IsTrue(normed.allclose(nn.functional.layer_norm(update + residual, [8], norm.Item1, norm.Item2, Eps), 1e-5, 1e-6));
        Assert.IsTrue(activated.allclose(nn.functional.gelu(update), 1e-5, 1e-6));
    }

    [TestMethod]
    public void WithoutKernelsTheResultsAreTheSame()
    {
        using var scope = NewDisposeScope();
        var (update, residual, norm) = (ones(3, 8).cumsum(1), ones(3, 8).cumsum(0), (ones(8) * 2, ones(8)));
        var (with, without) = (new ScoringMath(new CountingKernels(), Eps), new ScoringMath(null, Eps));
        Assert.IsTrue(with.AddNorm(update.clone(), residual, norm).allclose(without.AddNorm(update.clone(), residual, norm), 1e-5, 1e-6));
        Assert.IsTrue(with.Gelu(update).allclose(without.Gelu(update), 1e-5, 1e-6));
    }

    private sealed class CountingKernels : TensorKernels
    {
        public int Calls { get; private set; }

        public override NormResult AddNorm(Tensor update, Tensor residual, Tensor weight, Tensor bias, double eps, DropoutMask dropout, long room = 0)
        {
            Calls++;
            Assert.IsTrue(residual.is_contiguous());
            return base.AddNorm(update, residual, weight, bias, eps, dropout, room);
        }

        public override Tensor Gelu(Tensor x)
        {
            Calls++;
            return base.Gelu(x);
        }
    }
}
