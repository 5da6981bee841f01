namespace Microsoft.ML.LoraInit.Samples.Pages.Run;

/// <summary>A training's course by optimiser step.</summary>
internal static class TrainingCharts
{
    private static readonly string[] Shares = ["accuracy", "f1", "micro F1"];
    private static readonly string[] Correlations = ["matthews", "pearson", "spearman"];

    public static Chart Loss(TrainingHistory history, IReadOnlyList<(long Step, double Loss)> losses)
    {
        List<Series> series = [];
        if (history.Epochs[0].ValidationLoss is not null)
            series.Add(new("validation", SeriesKind.Line, Points(history, e => e.ValidationLoss)) { Colour = 1 });
        series.Add(new("training, each epoch", SeriesKind.Line, Points(history, e => e.TrainLoss)) { Colour = 0 });
        if (losses.Count > 0)
            series.Add(new("training, in between", SeriesKind.Thin, [.. losses.Select(l => new double?[] { l.Step, l.Loss })]) { Colour = 5 });
        return new(series, new("step", 0, history.Steps), new("", 0));
    }

    /// <summary>Null without validation rows.</summary>
    public static Chart? Metric(TrainingHistory history)
    {
        if (history.Epochs[0].Metrics is null)
            return null;
        var axis = Shares.Contains(history.MetricName) ? Axis.Share("")
            : Correlations.Contains(history.MetricName) ? new Axis("", null, 1)
            : new Axis("", 0);
        return new([new(history.MetricName, SeriesKind.Line, Points(history, e => Value(e.Metrics, history.MetricName))) { Colour = 0 }], new("step", 0, history.Steps), axis);
    }

    private static double? Value(EpochMetrics? metrics, string name) => name switch
    {
        "accuracy" => metrics?.Accuracy,
        "f1" or "micro F1" => metrics?.F1,
        "matthews" => metrics?.Matthews,
        "pearson" => metrics?.Pearson,
        "spearman" => metrics?.Spearman,
        "mse" => metrics?.Mse,
        _ => metrics?.LogLoss,
    };

    private static double?[][] Points(TrainingHistory history, Func<EpochHistory, double?> value)
    {
        var perEpoch = (double)history.Steps / history.Epochs.Count;
        return [.. history.Epochs.Select(e => new[] { Math.Round(e.Epoch * perEpoch), Finite(value(e)) })];
    }

    // JSON has no NaN; a gap in a line says the same.
    private static double? Finite(double? value) => value is { } v && double.IsFinite(v) ? v : null;
}
