namespace Microsoft.ML.LoraInit.Data.Tasks;

/// <summary>The metrics that choose the best epoch: what they are called, which way is better, and where their values are.</summary>
internal static class ValidationMetrics
{
    public static string Name(this ClassificationValidationMetric metric) => metric switch
    {
        ClassificationValidationMetric.F1 => "f1",
        ClassificationValidationMetric.Matthews => "matthews",
        ClassificationValidationMetric.LogLoss => "log_loss",
        _ => "accuracy",
    };

    public static double Of(this ClassificationValidationMetric metric, EpochMetrics metrics) => metric switch
    {
        ClassificationValidationMetric.F1 => metrics.F1!.Value,
        ClassificationValidationMetric.Matthews => metrics.Matthews!.Value,
        ClassificationValidationMetric.LogLoss => metrics.LogLoss!.Value,
        _ => metrics.Accuracy!.Value,
    };

    public static string Name(this RegressionValidationMetric metric) => metric switch
    {
        RegressionValidationMetric.Spearman => "spearman",
        RegressionValidationMetric.MeanSquaredError => "mse",
        _ => "pearson",
    };

    public static double Of(this RegressionValidationMetric metric, EpochMetrics metrics) => metric switch
    {
        RegressionValidationMetric.Spearman => metrics.Spearman!.Value,
        RegressionValidationMetric.MeanSquaredError => metrics.Mse!.Value,
        _ => metrics.Pearson!.Value,
    };
}
