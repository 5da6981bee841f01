using Microsoft.ML.LoraInit.Cuda;
using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Tests.Fused;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Cuda;

[TestClass]
[TestCategory("Gpu")]
public class CudaKernelsTests
{
    private static readonly TensorKernels Reference = new();

    [TestMethod]
    [DataRow(ScalarType.BFloat16)]
    [DataRow(ScalarType.Float32)]
    public void NormsAreThoseOfTensorOperations(ScalarType type)
    {
        var kernels = CudaTest.Kernels(type);
        foreach (var (rows, hidden) in new[] { (130, 768), (7, 256), (33, 100), (5, 1024), (3, 1100), (1, 48) })
            foreach (double keep in new[] { 1, 0.9 })
                foreach (var weightType in new[] { type, ScalarType.Float32 })
                {
                    using var scope = NewDisposeScope();
                    var what = $"{type} {weightType} [{rows}, {hidden}] keep {keep}";
                    var (update, residual, gradient) = (CudaTest.Random(1, type, rows, hidden), CudaTest.Random(2, type, rows, hidden), CudaTest.Random(3, type, rows, hidden));
                    var (gain, shift) = (CudaTest.Random(4, weightType, hidden), CudaTest.Random(5, weightType, hidden));
                    var mask = Mask(keep, 3);
                    var expected = (MeasuredNorm)Reference.AddNorm(update, residual, gain, shift, 1e-5, mask);
                    var actual = (MeasuredNorm)kernels.AddNorm(update, residual, gain, shift, 1e-5, mask);
                    Same(expected.Sum, actual.Sum, what + " sum");
                    // Of the sum before or after it is rounded to bf16.
                    double rounding = type == ScalarType.BFloat16 ? 2e-3 : 1e-4;
                    CudaTest.Close(expected.Mean, actual.Mean, rounding, rounding, what + " mean");
                    CudaTest.Close(expected.InverseDeviation, actual.InverseDeviation, rounding, rounding, what + " deviation");
                    Same(expected.Output, actual.Output, what + " output");
                    // From one forward pass, so that only the backward passes are compared.
                    var (back, other) = (Reference.AddNormBackward(gradient, expected, gain, mask), kernels.AddNormBackward(gradient, expected, gain, mask));
                    Same(back.Residual, other.Residual, what + " ∂residual");
                    Same(back.Update, other.Update, what + " ∂update");
                    Assert.AreEqual(keep == 1, ReferenceEquals(other.Residual, other.Update));
                }
    }

    [TestMethod]
    [DataRow(ScalarType.BFloat16)]
    [DataRow(ScalarType.Float32)]
    public void NormsOfRowsWithRoomAreThoseWithout(ScalarType type)
    {
        var kernels = CudaTest.Kernels(type);
        foreach (var (rows, hidden, room) in new[] { (130, 768, 16), (7, 256, 8), (33, 100, 8), (5, 1024, 3), (3, 1100, 24), (1, 48, 8) })
        {
            using var scope = NewDisposeScope();
            var what = $"{type} [{rows}, {hidden}] and {room}";
            var (update, residual, gain) = (CudaTest.Random(1, type, rows, hidden), CudaTest.Random(2, type, rows, hidden), CudaTest.Random(4, type, hidden));
            var expected = (MeasuredNorm)kernels.AddNorm(update, residual, gain, gain, 1e-5, Mask(0.9, 3));
            var actual = (MeasuredNorm)kernels.AddNorm(update, RowRoom.Copy(residual, room), gain, gain, 1e-5, Mask(0.9, 3), room);
            Assert.IsNotNull(RowRoom.Whole(actual.Output, room), what);
            Same(expected.Output, actual.Output, what);
            Same(expected.Sum, actual.Sum, what + " sum");
        }
    }

    [TestMethod]
    [DataRow(ScalarType.BFloat16)]
    [DataRow(ScalarType.Float32)]
    public void NumbersGoToMatricesAndBackAsByTensorOperations(ScalarType type)
    {
        var kernels = CudaTest.Kernels(type);
        foreach (bool starts in new[] { false, true })
        {
            using var scope = NewDisposeScope();
            var plan = NumberMapTests.Plan(starts);
            var (flat, start) = (CudaTest.Random(1, ScalarType.Float32, 5000), CudaTest.Random(2, ScalarType.Float32, 5000));
            using var values = plan.Values(CUDA);
            using var gradients = plan.Gradients(CUDA);
            var (expected, actual) = (zeros(plan.ValueCount, type, CUDA), zeros(plan.ValueCount, type, CUDA));
            Reference.Spread(flat, starts ? start : null, values, expected);
            kernels.Spread(flat, starts ? start : null, values, actual);
            Assert.IsTrue(expected.abs().max().to(ScalarType.Float32).item<float>() > 1);
            Same(expected, actual, $"{type} {starts} values");
            var source = CudaTest.Random(3, type, plan.GradientCount);
            var (sum, other) = (start.clone(), start.clone());
            Reference.Collect(source, gradients, sum);
            kernels.Collect(source, gradients, other);
            Assert.IsFalse(sum.eq(start).all().item<bool>());
            Same(sum, other, $"{type} {starts} gradients");
        }
    }

    [TestMethod]
    [DataRow(ScalarType.BFloat16)]
    [DataRow(ScalarType.Float32)]
    public void SoftmaxIsThatOfTensorOperations(ScalarType type)
    {
        var kernels = CudaTest.Kernels(type);
        const int Batch = 3, Heads = 2;
        foreach (int length in new[] { 1, 7, 8, 24, 32, 45, 64, 96, 128, 200, 384, 512, 514, 1024, 1100 })
            foreach (bool masked in new[] { false, true })
                foreach (double keep in new[] { 1, 0.9 })
                {
                    using var scope = NewDisposeScope();
                    var what = $"{type} length {length} masked {masked} keep {keep}";
                    var scores = CudaTest.Random(length, type, Batch * Heads, length, length) * 4;
                    var gradient = CudaTest.Random(length + 1, type, Batch * Heads, length, length);
                    long[] each = [length, Math.Max(1, length / 3), Math.Max(1, length - 1)];
                    var lengths = masked ? tensor(each).cuda() : null;
                    var mask = Mask(keep, 5);
                    var expected = Reference.Softmax(scores.clone(), lengths, Heads, 0.125, mask);
                    var actual = kernels.Softmax(scores.clone(), lengths, Heads, 0.125, mask);
                    Same(expected.Probabilities, actual.Probabilities, what, 1e-4);
                    Same(expected.Dropped, actual.Dropped, what + " dropped", 1e-4);
                    if (masked && length > 1)
                        Assert.AreEqual(0f, actual.Probabilities.narrow(0, Heads, 1).narrow(2, each[1], length - each[1]).abs().max().to(ScalarType.Float32).item<float>(), what);
                    Same(Reference.SoftmaxBackward(gradient.clone(), expected.Probabilities, 0.125, mask),
                        kernels.SoftmaxBackward(gradient.clone(), expected.Probabilities, 0.125, mask), what + " backward", type == ScalarType.BFloat16 ? 5e-3 : 1e-3);
                }
    }

    [TestMethod]
    [DataRow(ScalarType.BFloat16)]
    [DataRow(ScalarType.Float32)]
    public void GeluIsThatOfTensorOperations(ScalarType type)
    {
        var kernels = CudaTest.Kernels(type);
        foreach (long count in new[] { 1L, 7, 8, 4096, 100_000, 100_001 })
        {
            using var scope = NewDisposeScope();
            var (x, gradient) = (CudaTest.Random(1, type, count) * 3, CudaTest.Random(2, type, count));
            Same(Reference.Gelu(x), kernels.Gelu(x), $"{type} {count}");
            Same(Reference.GeluBackward(gradient.clone(), x), kernels.GeluBackward(gradient.clone(), x), $"{type} {count} backward");
        }
    }

    [TestMethod]
    [DataRow(ScalarType.BFloat16)]
    [DataRow(ScalarType.Float32)]
    public void HeadsMoveAsByPermutation(ScalarType type)
    {
        var kernels = CudaTest.Kernels(type);
        foreach (var (batch, length, parts, heads, size) in new[] { (3, 7, 3, 12, 64), (2, 32, 1, 4, 8), (2, 5, 2, 3, 5), (1, 1, 3, 2, 6) })
        {
            using var scope = NewDisposeScope();
            var x = CudaTest.Random(1, type, batch * length, parts * heads * size);
            var split = kernels.SplitHeads(x, batch, length, parts, heads);
            CudaTest.Close(Reference.SplitHeads(x, batch, length, parts, heads), split, 0, 0, $"{type} size {size}");
            CudaTest.Close(x, kernels.JoinHeads(split, batch, length, parts, heads), 0, 0, $"{type} size {size} and back");
            foreach (long room in new[] { 3, 8 })
                CudaTest.Close(x, kernels.JoinHeads(split, batch, length, parts, heads, room), 0, 0, $"{type} size {size} and back, with room for {room}");
        }
    }

    [TestMethod]
    [DataRow(ScalarType.BFloat16)]
    [DataRow(ScalarType.Float32)]
    public void MasksAreThoseOfTensorOperations(ScalarType type)
    {
        var kernels = CudaTest.Kernels(type);
        foreach (long count in new[] { 1L, 5, 64, 10_000, 10_003 })
        {
            using var scope = NewDisposeScope();
            var (expected, actual) = (Reference.Mask([count], type, Mask(0.9, 2)), kernels.Mask([count], type, Mask(0.9, 2)));
            CudaTest.Close(expected, actual, 1e-6, 0, $"{type} {count}");
            if (count > 1000)
                Assert.AreEqual(0.9, actual.ne(0).to(ScalarType.Float32).mean().item<float>(), 0.02);
        }
    }

    [TestMethod]
    public void ACapturedMaskFollowsItsSeed()
    {
        var kernels = CudaTest.Kernels(ScalarType.Float32);
        using var scope = NewDisposeScope();
        using var stream = new CudaStreamScope(CUDA);
        var seed = tensor(new[] { 1L }).cuda();
        var mask = new DropoutMask(seed, 0, 0.5);
        _ = kernels.Mask([1000], ScalarType.Float32, mask);
        Tensor? captured = null;
        using var graph = CudaGraph.TryCapture(() => captured = kernels.Mask([1000], ScalarType.Float32, mask), null, out var why);
        Assert.IsNotNull(graph, why);
        foreach (long step in new[] { 2L, 3L })
        {
            seed.fill_(step);
            graph.Replay();
            CudaTest.Close(Reference.Mask([1000], ScalarType.Float32, mask), captured!, 0, 0, $"seed {step}");
        }
    }

    [TestMethod]
    public void WrongTensorsAreNamed()
    {
        var kernels = CudaTest.Kernels(ScalarType.Float32);
        using var scope = NewDisposeScope();
        var x = CudaTest.Random(1, ScalarType.Float32, 8, 16);
        var gain = CudaTest.Random(2, ScalarType.Float32, 16);
        Fails("residual", () => kernels.AddNorm(x, x.cpu(), gain, gain, 1e-5, DropoutMask.None));
        Fails("residual", () => kernels.AddNorm(x, x.to(ScalarType.BFloat16), gain, gain, 1e-5, DropoutMask.None));
        Fails("residual", () => kernels.AddNorm(x, CudaTest.Random(3, ScalarType.Float32, 16, 8).t(), gain, gain, 1e-5, DropoutMask.None));
        Fails("weight", () => kernels.AddNorm(x, x, gain.narrow(0, 0, 8), gain, 1e-5, DropoutMask.None));
        Fails("x", () => kernels.Gelu(x.t()));
        Fails("Float64", () => kernels.Gelu(x.to(ScalarType.Float64)));

        static void Fails(string name, Action action) => StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(action).Message, name);
    }

    private static DropoutMask Mask(double keep, int index) => keep < 1 ? new(tensor(new[] { -987654321L }).cuda(), index, keep) : DropoutMask.None;

    /// <summary>Within some roundings of the type.</summary>
    private static void Same(Tensor expected, Tensor actual, string what, double scale = 1)
    {
        bool brief = expected.dtype == ScalarType.BFloat16;
        CudaTest.Close(expected, actual, brief ? 2e-2 : 1e-4, (brief ? 2e-2 : 1e-4) * scale, what);
    }
}
