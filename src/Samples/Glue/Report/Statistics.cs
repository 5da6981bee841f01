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
}

/// <summary>A mean of paired differences with its bootstrap interval.</summary>
/// <param name="Mean">The mean difference.</param>
/// <param name="Low">The interval's lower end; null where there are too few pairs for one.</param>
/// <param name="High">Its upper end.</param>
/// <param name="Pairs">The number of pairs.</param>
internal readonly record struct Difference(double Mean, double? Low, double? High, int Pairs);

/// <summary>Percentile bootstrap over paired differences (Efron and Tibshirani, An Introduction to the Bootstrap, ch. 13).</summary>
internal static class Bootstrap
{
    public const int Resamples = 10_000;
    public const double Confidence = 0.95;

    // Fixed: two reports on the same runs must be the same file.
    private const ulong Seed = 20251003;

    /// <summary>
    /// The mean over groups (tasks) of the mean over a group's differences (seeds). Seeds are drawn anew within each
    /// group; the groups are what they are, so the interval speaks of these tasks and not of others.
    /// </summary>
    public static Difference Interval(IReadOnlyList<IReadOnlyList<double>> groups)
    {
        var filled = groups.Where(g => g.Count > 0).ToArray();
        var pairs = filled.Sum(g => g.Count);
        if (pairs == 0)
            return new(double.NaN, null, null, 0);
        var mean = filled.Average(g => g.Average());
        if (filled.Any(g => g.Count < 2) || !double.IsFinite(mean))
            return new(mean, null, null, pairs);

        var random = new SplitMix(Seed);
        var means = new double[Resamples];
        for (var i = 0; i < Resamples; i++)
        {
            var sum = 0.0;
            foreach (var group in filled)
            {
                var inGroup = 0.0;
                for (var k = 0; k < group.Count; k++)
                    inGroup += group[random.Below(group.Count)];
                sum += inGroup / group.Count;
            }
            means[i] = sum / filled.Length;
        }
        Array.Sort(means);
        var tail = (1 - Confidence) / 2;
        return new(mean, Quantile(means, tail), Quantile(means, 1 - tail), pairs);
    }

    /// <summary>Linear interpolation between order statistics, as NumPy's default.</summary>
    public static double Quantile(double[] sorted, double share)
    {
        var at = share * (sorted.Length - 1);
        var below = (int)Math.Floor(at);
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }

    /// <summary>SplitMix64 (Steele, Lea and Flood, 2014): the same numbers on every .NET version.</summary>
    private struct SplitMix(ulong state)
    {
        public int Below(int limit)
        {
            state += 0x9E3779B97F4A7C15;
            var z = state;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return (int)((z ^ (z >> 31)) % (ulong)limit);
        }
    }
}
