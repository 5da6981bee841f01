using System.Runtime.Intrinsics;
using Microsoft.ML.LoraInit.Cpu;
using Microsoft.ML.LoraInit.Inference.Cpu;

namespace Microsoft.ML.LoraInit.Tests.Cpu;

/// <summary>Every tile of every instruction set against sums in double, and against one another.</summary>
[TestClass]
public sealed unsafe class KernelTests
{
    private static readonly Random Draws = new(7);

    [TestMethod]
    [DataRow(1, 1, 1)]
    [DataRow(7, 33, 5)]
    [DataRow(15, 64, 32)]
    [DataRow(29, 40, 100)]
    public void ProductsAreRight(int rows, int outputs, int inputs)
    {
        var (x, weight, bias) = (Numbers(rows * inputs), Numbers(outputs * inputs), Numbers(outputs));
        var y = Apply(new FloatLinear(weight, bias), x, rows);
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < outputs; j++)
                Assert.AreEqual(Exact(x, weight, bias, inputs, i, j), y[(i * outputs) + j], 1e-5);
    }

    [TestMethod]
    public void BitsDependOnNeitherTileNorVectors()
    {
        const int Rows = 15, Inputs = 70;
        var panel = Fill(new(PanelGemm.Width * Inputs));
        var bias = Fill(new(PanelGemm.Width));
        var x = Fill(new(Rows * Inputs));
        var expected = new AlignedArray<float>(PanelGemm.Width);
        var tiled = new AlignedArray<float>(Rows * PanelGemm.Width);
        for (int row = 0; row < Rows;)
            row += FloatTile.Multiply(x.Pointer + (row * Inputs), Inputs, Rows - row, Inputs, panel.Pointer, bias.Pointer, tiled.Pointer + (row * PanelGemm.Width), PanelGemm.Width);
        for (int row = 0; row < Rows; row++)
        {
            // Fused multiply-adds in the order of the inputs: what every tile and width has to give.
            var one = Enumerable.Range(0, PanelGemm.Width).Select(j => Enumerable.Range(0, Inputs)
                .Aggregate(bias[j], (sum, i) => MathF.FusedMultiplyAdd(x[(row * Inputs) + i], panel[(i * PanelGemm.Width) + j], sum))).ToArray();
            FloatTile.Multiply(x.Pointer + (row * Inputs), Inputs, 1, Inputs, panel.Pointer, bias.Pointer, expected.Pointer, PanelGemm.Width);
            CollectionAssert.AreEqual(one, expected.Span.ToArray());
            CollectionAssert.AreEqual(one, tiled.Span.Slice(row * PanelGemm.Width, PanelGemm.Width).ToArray());
        }
    }

    [TestMethod]
    public void WeightsComeBack()
    {
        var (weight, bias) = (Numbers(37 * 21), Numbers(37));
        var exact = new FloatLinear(weight, bias);
        CollectionAssert.AreEqual(weight, exact.Weight());
        CollectionAssert.AreEqual(bias, exact.Bias());
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(8)]
    [DataRow(203)]
    public void RowsAreTransformedAsTheFormulasSay(int count)
    {
        const int Padded = 224;
        var x = Fill(new(Padded), 4);
        var original = x.Span.ToArray();
        RowMath.Gelu(x.Pointer, count);
        for (int i = 0; i < count; i++)
            Assert.AreEqual(original[i] * Normal(original[i]), x[i], 3e-7 * Math.Max(1, Math.Abs(original[i])));

        original.CopyTo(x.Span);
        RowMath.Softmax(x.Pointer, count, Padded, 0.7f);
        double sum = original.Take(count).Sum(v => Math.Exp(0.7 * v));
        for (int i = 0; i < Padded; i++)
            Assert.AreEqual(i < count ? Math.Exp(0.7 * original[i]) / sum : 0, x[i], 1e-6);

        original.CopyTo(x.Span);
        var (weight, bias) = (Fill(new(count)), Fill(new(count)));
        RowMath.Normalize(x.Pointer, count, weight.Pointer, bias.Pointer, 1e-5f);
        double mean = original.Take(count).Average(v => (double)v);
        double deviation = Math.Sqrt(original.Take(count).Average(v => (v - mean) * (v - mean)) + 1e-5);
        for (int i = 0; i < count; i++)
            Assert.AreEqual(((original[i] - mean) / deviation * weight[i]) + bias[i], x[i], 1e-5);
    }

    [TestMethod]
    public void TeamsCoverEveryPieceOnce()
    {
        foreach (int threads in new[] { 1, 2, 5 })
            foreach (long cost in new[] { 1L, 10_000_000 })
            {
                var seen = new int[23];
                new CpuTeam(threads).For(seen.Length, cost, (first, end) =>
                {
                    for (int i = first; i < end; i++)
                        Interlocked.Increment(ref seen[i]);
                });
                Assert.IsTrue(seen.All(s => s == 1));
            }
    }


    private static float[] Apply(FloatLinear linear, float[] x, int rows)
    {
        var y = new float[rows * linear.Outputs];
        foreach (var team in new[] { new CpuTeam(3), CpuTeam.Alone })
            fixed (float* source = x, target = y)
                linear.Apply(source, linear.Inputs, rows, target, linear.Outputs, team);
        return y;
    }

    private static double Exact(float[] x, float[] weight, float[] bias, int inputs, int row, int output)
    {
        double sum = bias[output];
        for (int i = 0; i < inputs; i++)
            sum += (double)x[(row * inputs) + i] * weight[(output * inputs) + i];
        return sum;
    }

    // Φ by the series of erf, which converges for all x used here.
    private static double Normal(double x)
    {
        double term = x, sum = x;
        for (int i = 1; i < 200; i++)
        {
            term *= -x * x / (2 * i);
            sum += term / ((2 * i) + 1);
        }
        return 0.5 + (sum / Math.Sqrt(2 * Math.PI));
    }

    private static float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)((2 * Draws.NextDouble()) - 1))];

    private static AlignedArray<float> Fill(AlignedArray<float> array, float scale = 1)
    {
        for (int i = 0; i < array.Length; i++)
            array[i] = scale * (float)((2 * Draws.NextDouble()) - 1);
        return array;
    }
}
