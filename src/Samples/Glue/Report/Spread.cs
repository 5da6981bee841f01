namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>A mean and how far its values lie from it.</summary>
/// <param name="Mean">NaN where one of the values is.</param>
/// <param name="Deviation">The sample standard deviation (n − 1); null below two values.</param>
/// <param name="Count">The number of values.</param>
internal readonly record struct Spread(double Mean, double? Deviation, int Count)
{
    public static Spread Of(IReadOnlyCollection<double> values)
    {
        if (values.Count == 0)
            return new(double.NaN, null, 0);
        var mean = values.Average();
        return new(mean, values.Count < 2 ? null : Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Count - 1)), values.Count);
    }

    /// <summary>
    /// Which of a column's means may be called the highest: among those over equally many values, which are the most of the
    /// column with at least five; null where fewer than two are. Of equals all are.
    /// </summary>
    public static (int Count, double Mean)? Highest(IEnumerable<Spread?> column)
    {
        var alike = column.OfType<Spread>().Where(s => s.Count >= Report.Difference.FewestPairs && double.IsFinite(s.Mean))
            .GroupBy(s => s.Count).OrderByDescending(g => g.Count()).ThenByDescending(g => g.Key).FirstOrDefault();
        return alike is null || alike.Count() < 2 ? null : (alike.Key, alike.Max(s => s.Mean));
    }

    public bool Is((int Count, double Mean)? highest) => highest is { } h && h.Count == Count && h.Mean.Equals(Mean);
}
