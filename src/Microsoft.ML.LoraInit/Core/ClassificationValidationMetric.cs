namespace Microsoft.ML.LoraInit;

/// <summary>By which metric of the validation rows a classification keeps its best epoch and stops early.</summary>
public enum ClassificationValidationMetric
{
    /// <summary>Share of right predictions.</summary>
    Accuracy,

    /// <summary>F1 of the second class of two, otherwise the mean over the classes. See <see cref="EpochMetrics.F1"/>.</summary>
    F1,

    /// <summary>Matthews correlation, CoLA's metric.</summary>
    Matthews,

    /// <summary>The mean loss; less is better.</summary>
    LogLoss,
}
