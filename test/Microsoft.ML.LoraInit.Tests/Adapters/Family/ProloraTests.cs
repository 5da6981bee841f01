using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Adapters.Family;

[TestClass]
public sealed class ProloraTests
{
    [TestMethod]
    [DataRow(2, 2, 1)]
    [DataRow(3, 5, 0)]
    [DataRow(8, 1, 2)]
    [DataRow(1, 1, 0)]
    public void FactorsAreRotatedPiecesBesideWholeRanks(int a, int b, int unshared)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var run = new TinyRun(new ProloraMethod { RepeatsA = a, RepeatsB = b, Unshared = unshared });
        foreach (var linear in run.Model.Linears)
        {
            var parts = Parts(linear);
            var (rows, columns) = (Whole(parts[ProloraKind.A], parts.GetValueOrDefault(ProloraKind.OwnA), a, linear.InFeatures), Whole(parts[ProloraKind.B].t(), parts.GetValueOrDefault(ProloraKind.OwnB)?.t(), b, linear.OutFeatures));
            var expected = columns.t().matmul(rows) * (6.0 / 4);
            var x = randn(2, 3, linear.InFeatures, generator: new Generator(1));
            TensorAssert.Close(x.matmul(expected.t()), linear.forward(x, ForwardContext.Inference) - linear.Affine(x), 1e-4, linear.Name);
            TensorAssert.Close(expected, linear.Adapter!.EffectiveWeight(linear.Weight.Value) - linear.Weight.Value, 1e-5, linear.Name);
        }
    }

    [TestMethod]
    public void AStartsAtTheScaleOfItsWholeWidthAndBAtZero()
    {
        using var scope = NewDisposeScope();
        using var run = new TinyRun(new ProloraMethod { RepeatsA = 4 });
        var all = run.Model.Linears.Where(l => l.InFeatures == 16).Select(l => l.Adapter!.Parameters.ToDictionary(p => p.Name[l.Name.Length..], p => p.Value)).ToArray();
        foreach (var name in new[] { ProloraKind.A, ProloraKind.OwnA })
        {
            var largest = all.Max(p => p[name].abs().max().item<float>());
            Assert.IsTrue(largest is > 0.2f and <= 0.25f, $"{name}: {largest} where 1/√16 is the bound");
        }
        Assert.IsTrue(all.All(p => !p[ProloraKind.B].any().item<bool>() && !p[ProloraKind.OwnB].any().item<bool>()));
    }

    [TestMethod]
    public void ItTrainsTheFractionOfParametersThatItPromises()
    {
        using var run = new TinyRun(new ProloraMethod { RepeatsA = 4, RepeatsB = 2, Unshared = 1 });
        foreach (var linear in run.Model.Linears)
            Assert.AreEqual((3 * ((linear.InFeatures / 4) + (linear.OutFeatures / 2))) + linear.InFeatures + linear.OutFeatures, linear.Adapter!.Parameters.Sum(p => p.Count));
    }

    [TestMethod]
    [DataRow("prolora:unshared=4", "Unshared = 4")]
    [DataRow("prolora:a=17", "RepeatsA = 17")]
    [DataRow("prolora:b=17", "RepeatsB = 17")]
    public void WhatDoesNotFitALayerIsRefused(string method, string expected) =>
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => new TinyRun(FineTuningMethod.Parse(method))).Message, expected);

    // Random values everywhere, by name.
    private static Dictionary<string, Tensor> Parts(Linear linear)
    {
        foreach (var parameter in linear.Adapter!.Parameters)
            parameter.Replace(randn(parameter.Shape, generator: new Generator(SeededRandom.Hash(9, parameter.Name))));
        return linear.Adapter.Parameters.ToDictionary(p => p.Name[linear.Name.Length..], p => p.Value);
    }

    // Number by number.
    private static Tensor Whole(Tensor piece, Tensor? own, int repeats, long length)
    {
        var (shared, width) = (piece.shape[0], (length + repeats - 1) / repeats);
        var result = zeros(4, length);
        for (long i = 0; i < 4; i++)
            for (long j = 0; j < length; j++)
                result[i, j] = i < shared ? piece[(i + (j / width * Math.Max(shared / repeats, 1))) % shared, j % width] : own![i - shared, j];
        return result;
    }
}
