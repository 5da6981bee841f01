using Microsoft.ML.LoraInit.Cuda;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Cuda;

[TestClass]
[TestCategory("Gpu")]
public class CudaAdamWTests
{
    private const int Count = 1003;
    private const double Rate = 1e-2, Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8;

    [TestMethod]
    [DataRow(0.0, false)]
    [DataRow(1.0, false)]
    [DataRow(1000.0, true)]
    [DataRow(1.0, true)]
    public void StepsAreAdamWs(double maximum, bool each)
    {
        CudaTest.RequireDevice();
        var kernel = CudaAdamW.TryCreate(CUDA, out var why);
        Assert.IsNotNull(kernel, why);
        using var scope = NewDisposeScope();
        var value = CudaTest.Random(1, ScalarType.Float32, Count);
        var (first, second) = (zeros_like(value), zeros_like(value));
        var decay = each ? CudaTest.Random(2, ScalarType.Float32, Count).abs() * 0.1 : null;
        var factor = each ? CudaTest.Random(3, ScalarType.Float32, Count).abs() : null;
        var (decays, factors) = (Numbers(decay ?? full(Count, 0.02)), Numbers(factor ?? full(Count, 2f)));
        var (v, m, s) = (Numbers(value), new double[Count], new double[Count]);
        for (int step = 1; step <= 3; step++)
        {
            var gradient = CudaTest.Random(10 + step, ScalarType.Float32, Count);
            var g = Numbers(gradient);
            double norm = Math.Sqrt(g.Sum(x => x * x));
            double clip = maximum > 0 ? Math.Min(1, maximum / (norm + 1e-6)) : 1;
            var (correction1, correction2) = (1 - Math.Pow(Beta1, step), 1 - Math.Pow(Beta2, step));
            var scalars = tensor(new[] { (float)Rate, (float)(1 / correction1), (float)(1 / Math.Sqrt(correction2)), 0 }).cuda();
            kernel.Step(value, gradient, first, second, decay, factor, linalg.vector_norm(gradient, 2.0), scalars,
                new AdamWStep(maximum, Beta1, Beta2, Epsilon, 0.02, 2));
            for (int i = 0; i < Count; i++)
            {
                v[i] *= 1 - Rate * decays[i];
                m[i] = m[i] * Beta1 + (1 - Beta1) * g[i] * clip;
                s[i] = s[i] * Beta2 + (1 - Beta2) * g[i] * clip * g[i] * clip;
                v[i] -= Rate * factors[i] * m[i] / correction1 / (Math.Sqrt(s[i] / correction2) + Epsilon);
            }
            Assert.AreEqual(0f, gradient.abs().max().item<float>());
        }
        Same(v, value);
        Same(m, first);
        Same(s, second);
    }

    [TestMethod]
    public void ANormThatIsNoNumberShows()
    {
        CudaTest.RequireDevice();
        var kernel = CudaAdamW.TryCreate(CUDA, out var why);
        Assert.IsNotNull(kernel, why);
        using var scope = NewDisposeScope();
        var (value, gradient, first, second) = (ones(4, device: CUDA), ones(4, device: CUDA), zeros(4, device: CUDA), zeros(4, device: CUDA));
        var scalars = tensor(new[] { 0.1f, 10f, 30f, 0f }).cuda();
        var step = new AdamWStep(1, Beta1, Beta2, Epsilon, 0, 1);
        Assert.ThrowsExactly<ArgumentException>(() => kernel.Step(value, gradient, first, second, null, null, null, scalars, step));
        kernel.Step(value, gradient, first, second, null, null, tensor(float.NaN).cuda(), scalars, step);
        Assert.IsTrue(value.isnan().all().item<bool>());
    }

    private static double[] Numbers(Tensor x) => [.. x.cpu().data<float>().Select(f => (double)f)];

    private static void Same(double[] expected, Tensor actual)
    {
        var found = Numbers(actual);
        for (int i = 0; i < Count; i++)
            Assert.AreEqual(expected[i], found[i], 1e-5 * (1 + Math.Abs(expected[i])), $"value {i}");
    }
}
