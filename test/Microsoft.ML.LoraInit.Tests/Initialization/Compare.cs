using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>Distances between matrices, in fp64.</summary>
internal static class Compare
{
    /// <summary>‖actual − expected‖ / ‖expected‖, Frobenius.</summary>
    public static double Relative(Tensor actual, Tensor expected)
    {
        using var scope = NewDisposeScope();
        Assert.AreEqual(string.Join('x', expected.shape), string.Join('x', actual.shape), "Shapes");
        var wide = expected.to(ScalarType.Float64);
        return ((actual.to(ScalarType.Float64) - wide).norm() / wide.norm()).item<double>();
    }

    /// <summary>The distance of the projectors on two matrices' rows.</summary>
    public static double RowSpaces(Tensor actual, Tensor expected)
    {
        using var scope = NewDisposeScope();
        return (RowProjector(actual) - RowProjector(expected)).norm().item<double>();
    }

    public static double ColumnSpaces(Tensor actual, Tensor expected) => RowSpaces(actual.t(), expected.t());

    public static Tensor Product(Tensor b, Tensor a) => b.to(ScalarType.Float64).matmul(a.to(ScalarType.Float64));

    public static double Norm(Tensor x) => x.to(ScalarType.Float64).norm().item<double>();

    /// <summary>Fails, with both numbers, unless value &lt; limit.</summary>
    public static void Below(double limit, double value, string what) =>
        Assert.IsTrue(value < limit, $"{what}: {value:G4} is not below {limit:G4}.");

    private static Tensor RowProjector(Tensor rows)
    {
        var q = linalg.qr(rows.to(ScalarType.Float64).t()).Q;
        return q.matmul(q.t());
    }
}
