using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Fused;

/// <summary>Who computes attention.</summary>
[TestClass]
public sealed class FusedAttentionTests
{
    private const int Batch = 2, Length = 8;

    [TestMethod]
    public void WhereKernelsDeclineScoresAreSpeltOut()
    {
        using var scope = NewDisposeScope();
        var config = TinyModel.Config;
        var projected = randn([Batch * Length, 3 * config.HiddenSize]);
        var lengths = tensor(new long[] { Length, 3 });
        var mask = arange(Length, dtype: ScalarType.Int64).unsqueeze(0).lt(lengths.unsqueeze(1)).unsqueeze(1).unsqueeze(1);
        var seed = tensor(new[] { 7L });
        var kernels = new TensorKernels();
        Assert.IsNull(kernels.TryAttend(projected, Batch, Length, config.Heads, lengths, 1, DropoutMask.None));
        foreach (var pass in new[] { new EncoderPass(Batch, Length, lengths, mask, seed), new(Batch, Length, lengths, mask, null), new(Batch, Length, null, null, seed) })
        {
            var parts = projected.view(Batch, Length, 3, config.Heads, config.HeadSize).permute(2, 0, 3, 1, 4);
            var scores = parts[0].matmul(parts[1].transpose(-1, -2)) / Math.Sqrt(config.HeadSize);
            if (pass.Mask is not null)
                scores = scores.masked_fill(pass.Mask.logical_not(), double.NegativeInfinity);
            var probabilities = scores.softmax(-1);
            if (pass.Seed is not null)
                probabilities *= kernels.Mask(probabilities.shape, ScalarType.Float32, pass.OnAttention(1, config.AttentionDropout));
            var expected = probabilities.matmul(parts[2]).transpose(1, 2).reshape(Batch * Length, -1);
            var actual = new FusedAttention(config, kernels, 1).All(projected.clone(), pass);
            Assert.AreEqual(0, (expected - actual.Output).abs().max().item<float>(), 1e-5);
            CollectionAssert.AreEqual(projected.shape, actual.Backward(ones_like(actual.Output))[0].shape);
        }
    }

    [TestMethod]
    public void KernelsAreAskedFirst()
    {
        using var scope = NewDisposeScope();
        var projected = randn([Batch * Length, 3 * TinyModel.Config.HiddenSize]);
        var (lengths, seed) = (tensor(new long[] { Length, 3 }), tensor(new[] { 7L }));
        var kernels = new OfferingKernels();
        var attention = new FusedAttention(TinyModel.Config, kernels, 1);
        Assert.AreSame(kernels.Result, attention.All(projected, new(Batch, Length, null, null, seed)));
        Assert.IsTrue(kernels.Asked!.Value.Drops);
        Assert.AreSame(kernels.Result, attention.All(projected, new(Batch, Length, lengths, null, null)));
        Assert.IsFalse(kernels.Asked!.Value.Drops);
        kernels.Asked = null;
        Assert.AreSame(kernels.Result, attention.All(projected, new(Batch, Length, null, null, null)));
        Assert.IsFalse(kernels.Asked!.Value.Drops);
    }

    /// <summary>Attends and does nothing else.</summary>
    private sealed class OfferingKernels : EncoderKernels
    {
        public AttentionResult Result { get; } = new(empty(1), gradient => [gradient]);

        public DropoutMask? Asked { get; set; }

        public override AttentionResult? TryAttend(Tensor projected, int batch, int length, int heads, Tensor? lengths, double scale, DropoutMask dropout, long room = 0)
        {
            Asked = dropout;
            return Result;
        }

        public override NormResult AddNorm(Tensor update, Tensor residual, Tensor weight, Tensor bias, double eps, DropoutMask dropout, long room = 0) =>
            throw new NotSupportedException();

        public override NormGradient AddNormBackward(Tensor gradient, NormResult forward, Tensor weight, DropoutMask dropout) => throw new NotSupportedException();

        public override Tensor Gelu(Tensor x) => throw new NotSupportedException();

        public override Tensor GeluBackward(Tensor gradient, Tensor x) => throw new NotSupportedException();

        public override Tensor SplitHeads(Tensor x, int batch, int length, int parts, int heads) => throw new NotSupportedException();

        public override Tensor JoinHeads(Tensor x, int batch, int length, int parts, int heads, long room = 0) => throw new NotSupportedException();

        public override SoftmaxResult Softmax(Tensor scores, Tensor? lengths, int heads, double scale, DropoutMask dropout) => throw new NotSupportedException();

        public override Tensor SoftmaxBackward(Tensor gradient, Tensor probabilities, double scale, DropoutMask dropout) => throw new NotSupportedException();

        public override void Spread(Tensor flat, Tensor? start, NumberMap map, Tensor values) => throw new NotSupportedException();

        public override void Collect(Tensor gradients, NumberMap map, Tensor flat) => throw new NotSupportedException();

        public override Tensor Mask(long[] shape, ScalarType type, DropoutMask dropout) => throw new NotSupportedException();
    }
}
