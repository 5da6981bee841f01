using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Cuda;

/// <summary>Attention in one kernel each way against scores spelt out in tensors.</summary>
[TestClass]
[TestCategory("Gpu")]
public class CudaAttentionTests
{
    private const int Batch = 3, Layer = 2;

    [TestMethod]
    [DataRow(64, 1)]
    [DataRow(64, 12)]
    [DataRow(32, 2)]
    public void OutputAndGradientAreThoseOfTensorOperations(int size, int heads)
    {
        var kernels = CudaTest.Kernels(ScalarType.BFloat16);
        foreach (int length in new[] { 8, 24, 64, 72, 128, 136, 512 })
            foreach (bool padded in new[] { false, true })
                foreach (double dropout in new[] { 0, 0.1 })
                {
                    if (!padded && dropout == 0)
                        continue; // the library's
                    using var scope = NewDisposeScope();
                    var what = $"{heads} heads of {size}, length {length}, padded {padded}, dropout {dropout}";
                    var config = TinyModel.Config with { HiddenSize = heads * size, Heads = heads, AttentionDropout = dropout };
                    var pass = Pass(length, padded);
                    var projected = CudaTest.Random(length, ScalarType.BFloat16, Batch * length, 3 * config.HiddenSize);
                    var gradient = CudaTest.Random(length + 1, ScalarType.BFloat16, Batch * length, config.HiddenSize);
                    using var copy = projected.clone();
                    Assert.IsNotNull(kernels.TryAttend(copy, Batch, length, heads, pass.Lengths, 1, DropoutMask.None), what);
                    var expected = new FusedAttention(config, new TensorKernels(), Layer).All(projected.clone(), pass);
                    var actual = new FusedAttention(config, kernels, Layer).All(projected.clone(), pass);
                    Close(expected.Output, actual.Output, what);
                    actual.Output.Dispose(); // as layers do before their backward pass
                    Close(expected.Backward(gradient)[0], actual.Backward(gradient)[0], what + " gradient");
                }
    }

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.1)]
    public void GradientsWithRoomAreThoseWithout(double dropout)
    {
        var kernels = CudaTest.Kernels(ScalarType.BFloat16);
        using var scope = NewDisposeScope();
        var config = TinyModel.Config with { HiddenSize = 256, Heads = 4, AttentionDropout = dropout };
        foreach (int length in new[] { 200, 20 }) // in one kernel each way, and by scores
        {
            var pass = Pass(length, padded: true);
            var projected = CudaTest.Random(1, ScalarType.BFloat16, Batch * length, 3 * config.HiddenSize);
            var gradient = CudaTest.Random(2, ScalarType.BFloat16, Batch * length, config.HiddenSize);
            var expected = new FusedAttention(config, kernels, Layer).All(projected.clone(), pass).Backward(gradient)[0];
            var actual = new FusedAttention(config, kernels, Layer).All(projected.clone(), pass, 24).Backward(gradient)[0];
            if (length == 200 || dropout > 0)
                Assert.IsNotNull(RowRoom.Whole(actual, 24), $"length {length}");
            CudaTest.Close(expected, actual, 0, 0, $"length {length}");
        }
    }

    [TestMethod]
    public void ASecondPassGivesTheSameBits()
    {
        var kernels = CudaTest.Kernels(ScalarType.BFloat16);
        using var scope = NewDisposeScope();
        var config = TinyModel.Config with { HiddenSize = 256, Heads = 4 };
        var pass = Pass(200, padded: true);
        var projected = CudaTest.Random(1, ScalarType.BFloat16, Batch * 200, 3 * config.HiddenSize);
        var gradient = CudaTest.Random(2, ScalarType.BFloat16, Batch * 200, config.HiddenSize);
        var first = new FusedAttention(config, kernels, Layer).All(projected.clone(), pass).Backward(gradient)[0];
        var second = new FusedAttention(config, kernels, Layer).All(projected.clone(), pass).Backward(gradient)[0];
        CudaTest.Close(first, second, 0, 0, "second pass");
    }

    [TestMethod]
    public void OtherShapesAreLeftToOthers()
    {
        var kernels = CudaTest.Kernels(ScalarType.BFloat16);
        using var scope = NewDisposeScope();
        foreach (var (type, length, size) in new[] { (ScalarType.Float32, 8, 64), (ScalarType.BFloat16, 12, 64), (ScalarType.BFloat16, 8, 48) })
            Assert.IsNull(kernels.TryAttend(CudaTest.Random(1, type, length, 3 * size), 1, length, 1, null, 1, DropoutMask.None), $"{type} {length} {size}");
    }

    private static EncoderPass Pass(int length, bool padded)
    {
        var lengths = padded ? tensor(new long[] { length, Math.Max(1, length / 3), length - 1 }).cuda() : null;
        var mask = lengths is null ? null : arange(length, dtype: ScalarType.Int64, device: CUDA).unsqueeze(0).lt(lengths.unsqueeze(1)).unsqueeze(1).unsqueeze(1);
        return new(Batch, length, lengths, mask, tensor(new[] { -987654321L }).cuda());
    }

    /// <summary>Within roundings of scores and probabilities, which one of the two keeps in fp32.</summary>
    private static void Close(Tensor expected, Tensor actual, string what) =>
        CudaTest.Close(expected, actual, 2e-2, 2e-2 * Math.Max(0.1, expected.abs().max().to(ScalarType.Float32).item<float>()), what);
}
