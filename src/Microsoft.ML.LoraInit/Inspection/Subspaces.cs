using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inspection;

/// <summary>Orthonormal bases, fp64, of what a layer's factors span, and the measures that follow from them.</summary>
/// <param name="Output">[out, k], of B's column space.</param>
/// <param name="Input">[in, l], of A's row space.</param>
internal sealed record Subspaces(Tensor Output, Tensor Input)
{
    // Directions below this share of the largest are rounding: the factors are fp32.
    private const double Epsilon = 1.1920929e-7;

    /// <summary>The bases of some factors; in the caller's scope.</summary>
    public static Subspaces Of(InitializedAdapter adapter) => new(Basis(adapter.B), Basis(adapter.A.t()));

    /// <summary>The product's measures against W [out, in].</summary>
    public RawMeasures Measure(InitializedAdapter adapter, double scaling, Tensor weight)
    {
        using var scope = NewDisposeScope();
        var w = weight.to(ScalarType.Float64);
        var raw = new RawMeasures
        {
            Weight = Square(w),
            OutputCaptured = Output.shape[1] == 0 ? 0 : Square(Output.t().matmul(w)),
            InputCaptured = Input.shape[1] == 0 ? 0 : Square(w.matmul(Input)),
            EffectiveRank = 0,
        };
        if (Output.shape[1] == 0 || Input.shape[1] == 0)
            return raw;

        // P = Output · core · Inputᵀ: its singular values are those of the small core.
        var left = Output.t().matmul(adapter.B.to(ScalarType.Float64));
        var right = adapter.A.to(ScalarType.Float64).matmul(Input);
        var middle = adapter.N?.to(ScalarType.Float64);
        var core = left.matmul(middle is null ? right : middle.matmul(right)).Mul(scaling);
        var (u, s, vh) = Linalg.Svd(core, false);
        var values = s.cpu().data<double>().ToArray();
        // What is left of factors that cancel out (orthogonal ones) is rounding too.
        var rounding = scaling * Math.Sqrt(Square(left) * Square(right) * (middle is null ? 1 : Square(middle))) * Epsilon * Math.Max(w.shape[0], w.shape[1]);
        var rank = values.Count(v => v > rounding);
        return raw with
        {
            Product = values.Sum(v => v * v),
            Captured = rank == 0 ? 0 : Square(Output.matmul(u.narrow(1, 0, rank)).t().matmul(w).matmul(Input.matmul(vh.narrow(0, 0, rank).t()))),
            EffectiveRank = EffectiveRank(values.AsSpan(0, rank)),
        };
    }

    /// <summary>Mean squared cosine of the principal angles between the spans of two bases; null where one is {0}.</summary>
    public static double? Overlap(Tensor first, Tensor second)
    {
        var angles = Math.Min(first.shape[1], second.shape[1]);
        if (angles == 0)
            return null;
        using var scope = NewDisposeScope();
        return Square(first.t().matmul(second)) / angles;
    }

    /// <summary>exp(−Σ p ln p) with p = σ / Σσ; 0 for none.</summary>
    public static double EffectiveRank(ReadOnlySpan<double> singularValues)
    {
        double sum = 0, entropy = 0;
        foreach (var value in singularValues)
            sum += value;
        if (sum == 0)
            return 0;
        foreach (var value in singularValues)
            entropy -= value > 0 ? value / sum * Math.Log(value / sum) : 0;
        return Math.Exp(entropy);
    }

    /// <summary>The squared Frobenius norm.</summary>
    public static double Square(Tensor matrix)
    {
        using var scope = NewDisposeScope();
        return matrix.Square().sum().item<double>();
    }

    private static Tensor Basis(Tensor factor)
    {
        using var scope = NewDisposeScope();
        var (u, s, _) = Linalg.Svd(factor.to(ScalarType.Float64), false);
        var values = s.cpu().data<double>().ToArray();
        var smallest = values.Length == 0 ? 0 : values[0] * Epsilon * Math.Max(factor.shape[0], factor.shape[1]);
        return u.narrow(1, 0, values.Count(v => v > smallest)).clone().MoveToOuterDisposeScope();
    }
}
