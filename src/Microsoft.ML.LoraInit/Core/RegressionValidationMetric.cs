namespace Microsoft.ML.LoraInit;

/// <summary>By which metric of the validation rows a regression keeps its best epoch and stops early.</summary>
public enum RegressionValidationMetric
{
    /// <summary>Pearson's correlation of predictions and values.</summary>
    Pearson,

    /// <summary>Spearman's correlation of their ranks.</summary>
    Spearman,

    /// <summary>Mean squared error; less is better.</summary>
    MeanSquaredError,
}
