namespace Microsoft.ML.LoraInit.Data.Tasks;

/// <summary>Correlations and errors of predicted values.</summary>
internal static class RegressionMetrics
{
    public static double MeanSquaredError(IReadOnlyList<double> predicted, IReadOnlyList<double> actual, float[]? weights)
    {
        double sum = 0, total = 0;
        for (int i = 0; i < predicted.Count; i++)
        {
            double weight = weights?[i] ?? 1.0, error = predicted[i] - actual[i];
            sum += weight * error * error;
            total += weight;
        }
        return sum / total;
    }

    /// <summary>NaN where either side is constant: the correlation is not defined there.</summary>
    public static double Pearson(IReadOnlyList<double> x, IReadOnlyList<double> y, float[]? weights)
    {
        double total = 0, meanX = 0, meanY = 0;
        for (int i = 0; i < x.Count; i++)
        {
            double weight = weights?[i] ?? 1.0;
            total += weight;
            meanX += weight * x[i];
            meanY += weight * y[i];
        }
        meanX /= total;
        meanY /= total;
        double xy = 0, xx = 0, yy = 0;
        for (int i = 0; i < x.Count; i++)
        {
            double weight = weights?[i] ?? 1.0, dx = x[i] - meanX, dy = y[i] - meanY;
            xy += weight * dx * dy;
            xx += weight * dx * dx;
            yy += weight * dy * dy;
        }
        return xx > 0 && yy > 0 ? Math.Clamp(xy / Math.Sqrt(xx) / Math.Sqrt(yy), -1, 1) : double.NaN;
    }

    public static double Spearman(IReadOnlyList<double> x, IReadOnlyList<double> y, float[]? weights) =>
        Pearson(Ranks(x), Ranks(y), weights);

    /// <summary>Ranks from 1; equal values share the average of their ranks.</summary>
    internal static double[] Ranks(IReadOnlyList<double> values)
    {
        var order = Enumerable.Range(0, values.Count).OrderBy(i => values[i]).ToArray();
        var ranks = new double[values.Count];
        for (int start = 0; start < order.Length;)
        {
            int end = start + 1;
            while (end < order.Length && values[order[end]] == values[order[start]])
                end++;
            for (int i = start; i < end; i++)
                ranks[order[i]] = (start + 1 + end) / 2.0;
            start = end;
        }
        return ranks;
    }
}
