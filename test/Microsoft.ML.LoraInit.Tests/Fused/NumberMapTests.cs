using Microsoft.ML.LoraInit.Fused;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Fused;

/// <summary>Trained numbers on their way to matrices and their gradients on the way back, against loops.</summary>
[TestClass]
public sealed class NumberMapTests
{
    private const int Flat = 5000;

    // Places in the flat buffer, rows, columns, scale; and whether what it started from is taken off.
    private static readonly (int At, int Rows, int Columns, double Scale, bool Changes)[] Blocks =
        [(100, 8, 40, 1, true), (100, 8, 40, 1, false), (1000, 30, 8, 1.5, true), (4000, 100, 10, 0.25, false)];

    /// <summary>A plan whose blocks lie in rows of a greater width, the first two with one gradient.</summary>
    internal static MatrixPlan Plan(bool starts)
    {
        var plan = new MatrixPlan();
        foreach (var (at, rows, columns, scale, changes) in Blocks)
            plan.Value(at, rows, columns, plan.ReserveValues(rows * (columns + 3)) + 2, columns + 3, scale, starts && changes);
        var (first, second) = (plan.ReserveGradients(8 * 40), plan.ReserveGradients(8 * 40));
        plan.Gradient(100, 8, 40, first, starts ? second : null, 40, 1);
        plan.Gradient(1000, 30, 8, plan.ReserveGradients(30 * 9), null, 9, 1.5);
        return plan;
    }

    [TestMethod]
    [DataRow(ScalarType.Float32, false)]
    [DataRow(ScalarType.Float32, true)]
    [DataRow(ScalarType.BFloat16, true)]
    public void ValuesAreScaledAndWhatTheyStartedFromIsTakenOff(ScalarType type, bool starts)
    {
        using var scope = NewDisposeScope();
        var (flat, start, plan) = (randn(Flat), randn(Flat), Plan(starts));
        using var map = plan.Values(CPU);
        var values = full(plan.ValueCount, 7, type);
        new TensorKernels().Spread(flat, starts ? start : null, map, values);

        var expected = Enumerable.Repeat(7f, (int)plan.ValueCount).ToArray();
        var (numbers, started) = (flat.data<float>(), start.data<float>());
        int place = 0;
        foreach (var (at, rows, columns, scale, changes) in Blocks)
        {
            for (int i = 0; i < rows * columns; i++)
                expected[place + 2 + (i / columns * (columns + 3)) + (i % columns)] = (float)scale * (numbers[at + i] - (starts && changes ? started[at + i] : 0));
            place += (rows * (columns + 3) + 7) / 8 * 8;
        }
        Assert.AreEqual(place, plan.ValueCount);
        Assert.AreEqual(0, (tensor(expected).to(type) - values).abs().max().to(ScalarType.Float32).item<float>(), 1e-6);
    }

    [TestMethod]
    [DataRow(ScalarType.Float32, false)]
    [DataRow(ScalarType.Float32, true)]
    [DataRow(ScalarType.BFloat16, true)]
    public void GradientsAreScaledAndAdded(ScalarType type, bool starts)
    {
        using var scope = NewDisposeScope();
        var (flat, plan) = (randn(Flat), Plan(starts));
        using var map = plan.Gradients(CPU);
        var source = randn(plan.GradientCount).to(type);
        var expected = flat.data<float>().ToArray();
        var gradients = source.to(ScalarType.Float32).data<float>();
        for (int i = 0; i < 8 * 40; i++)
            expected[100 + i] += gradients[i] + (starts ? gradients[(8 * 40) + i] : 0);
        for (int i = 0; i < 30 * 8; i++)
            expected[1000 + i] += 1.5f * gradients[(2 * 8 * 40) + (i / 8 * 9) + (i % 8)];

        new TensorKernels().Collect(source, map, flat);

        Assert.AreEqual(0, (tensor(expected) - flat).abs().max().item<float>(), 1e-5);
    }

    [TestMethod]
    public void WhatChangesNeedsAStart()
    {
        using var map = Plan(starts: true).Values(CPU);
        using var values = zeros(10_000);
        Assert.ThrowsExactly<ArgumentNullException>(() => new TensorKernels().Spread(values, null, map, values));
    }

    [TestMethod]
    public void RoomLiesBehindEachRowAndIsNoOneElses()
    {
        using var scope = NewDisposeScope();
        var x = RowRoom.Copy(ones(3, 5), 2);
        CollectionAssert.AreEqual(new long[] { 3, 7 }, RowRoom.Whole(x, 2)!.shape);
        RowRoom.Whole(x, 2)!.narrow(1, 5, 2).fill_(9);
        Assert.AreEqual(15, x.sum().item<float>());
        Assert.IsNull(RowRoom.Whole(x, 3));
        Assert.IsNull(RowRoom.Whole(ones(3, 5), 2));
        Assert.IsNull(RowRoom.Whole(ones(7, 3).t(), 2));
    }
}
