using MathNet.Numerics.Distributions;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>Student's t for paired differences, and Holm's correction (Scandinavian Journal of Statistics 6, 1979) over a table of them.</summary>
internal static class PairedT
{
    public const double Confidence = 0.95;

    // Metrics are fractions of some hundred rows: what spreads less than this is rounding, not spread.
    private const double NoSpread = 1e-9;

    /// <summary>The mean over pairs with its interval and p value, both from the t distribution with n − 1 degrees of freedom.</summary>
    public static Difference Of(IReadOnlyList<double> differences)
    {
        var spread = Spread.Of(differences);
        if (spread.Deviation is not { } deviation || !double.IsFinite(deviation) || deviation < NoSpread)
            return new(spread.Mean, null, null, spread.Count);
        var error = deviation / Math.Sqrt(spread.Count);
        var half = StudentT.InvCDF(0, 1, spread.Count - 1, (1 + Confidence) / 2) * error;
        var p = 2 * StudentT.CDF(0, 1, spread.Count - 1, -Math.Abs(spread.Mean / error));
        return new(spread.Mean, spread.Mean - half, spread.Mean + half, spread.Count, p);
    }

    /// <summary>
    /// Holm's step-down: the k-th smallest of m p values is multiplied by m − k + 1, and none is less than the one before.
    /// The chance of even one false mark in the family is then at most the level, whatever depends on what.
    /// </summary>
    public static double[] Holm(IReadOnlyList<double> p)
    {
        var adjusted = new double[p.Count];
        var least = 0.0;
        foreach (var (index, rank) in Enumerable.Range(0, p.Count).OrderBy(i => p[i]).Select((i, rank) => (i, rank)))
            adjusted[index] = least = Math.Max(least, Math.Min(1, (p.Count - rank) * p[index]));
        return adjusted;
    }

    /// <summary>Corrects all differences of one table together; those with too few pairs stay untested.</summary>
    public static IReadOnlyList<Difference?> Correct(IReadOnlyList<Difference?> table)
    {
        int[] tested = [.. Enumerable.Range(0, table.Count).Where(i => table[i]?.IsTested == true)];
        var adjusted = Holm([.. tested.Select(i => table[i]!.Value.P!.Value)]);
        var result = table.ToArray();
        for (var k = 0; k < tested.Length; k++)
            result[tested[k]] = table[tested[k]]!.Value with { AdjustedP = adjusted[k] };
        return result;
    }
}
