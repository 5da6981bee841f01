namespace Microsoft.ML.LoraInit.Samples.Glue.Runs;

/// <summary>Metrics under the names that run files have.</summary>
internal static class MetricNames
{
    public static string Of(GlueMetric metric) => metric.ToString().ToLowerInvariant();

    /// <summary>Those that apply.</summary>
    public static IReadOnlyDictionary<string, double> Of(EpochMetrics metrics)
    {
        (string Name, double? Value)[] all =
        [
            ("accuracy", metrics.Accuracy), ("f1", metrics.F1), ("matthews", metrics.Matthews), ("pearson", metrics.Pearson),
            ("spearman", metrics.Spearman), ("mse", metrics.Mse), ("log_loss", metrics.LogLoss),
        ];
        return all.Where(m => m.Value is not null).ToDictionary(m => m.Name, m => m.Value!.Value);
    }
}
