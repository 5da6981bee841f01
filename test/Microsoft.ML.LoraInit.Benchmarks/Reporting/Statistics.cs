namespace Microsoft.ML.LoraInit.Benchmarks.Reporting;

/// <summary>Order statistics of measured times.</summary>
internal static class Statistics
{
    public static double Median(IEnumerable<double> values) => Percentile(values, 0.5);

    /// <summary>Linear interpolation between the two nearest values.</summary>
    /// <param name="values">At least one.</param>
    /// <param name="share">0 for the least, 1 for the largest.</param>
    public static double Percentile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        if (sorted.Length == 0)
            throw new ArgumentException("There is nothing to take a percentile of.", nameof(values));
        var place = share * (sorted.Length - 1);
        var below = (int)Math.Floor(place);
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((place - below) * (sorted[above] - sorted[below]));
    }
}
