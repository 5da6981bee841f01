namespace Microsoft.ML.LoraInit.Interactive;

/// <summary>A training's epochs, the best one marked.</summary>
internal static class HistoryHtml
{
    private static readonly string[] Header =
        ["epoch", "", "train loss", "validation loss", "accuracy", "F1", "macro F1", "Matthews", "Pearson", "Spearman", "MSE", "log loss", "rate", "seconds", "samples/s"];

    public static string Write(TrainingHistory history) =>
        HtmlTable.Write(Header, [.. history.Epochs.Select(e => Row(e, e.Epoch == history.BestEpoch))])
        + $"<p>{history.Steps} steps; {history.TrainableParameters:N0} of {history.TotalParameters:N0} parameters trained"
        + $"{(history.StoppedEarly ? "; stopped early" : "")}{(history.Cancelled ? "; cancelled" : "")}.</p>";

    private static object?[] Row(EpochHistory epoch, bool isBest) =>
    [
        epoch.Epoch, isBest ? "best" : "", epoch.TrainLoss, epoch.ValidationLoss,
        epoch.Metrics?.Accuracy, epoch.Metrics?.F1, epoch.Metrics?.MacroF1, epoch.Metrics?.Matthews, epoch.Metrics?.Pearson, epoch.Metrics?.Spearman,
        epoch.Metrics?.Mse, epoch.Metrics?.LogLoss, epoch.LearningRate, epoch.Seconds, epoch.SamplesPerSecond,
    ];
}
