namespace Microsoft.ML.LoraInit;

/// <summary>The metrics that GLUE's tasks are judged by; of each, more is better.</summary>
public enum GlueMetric
{
    /// <summary>Share of right predictions.</summary>
    Accuracy,

    /// <summary>Matthews' correlation from the confusion matrix.</summary>
    Matthews,

    /// <summary>Pearson's correlation.</summary>
    Pearson,
}
