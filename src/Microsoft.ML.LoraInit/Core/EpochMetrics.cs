namespace Microsoft.ML.LoraInit;

/// <summary>What validation rows gave after an epoch; a metric that does not apply to the task is null.</summary>
/// <remarks>Computed in double precision, weighted by the example weights where there are any.</remarks>
public sealed record EpochMetrics
{
    /// <summary>Share of rows whose class is the predicted one; with several labels a row, of those whose labels are all predicted. Classification.</summary>
    public double? Accuracy { get; init; }

    /// <summary>F1 of the second class where there are two; otherwise the mean of the F1 of every class that occurs among labels or predictions. 0 where precision and recall are both 0. With several labels a row, over all rows and labels together (micro).</summary>
    public double? F1 { get; init; }

    /// <summary>Matthews correlation, in Gorodkin's generalisation to several classes; 0 where labels or predictions are constant.</summary>
    public double? Matthews { get; init; }

    /// <summary>Mean over the labels of their F1, of those that occur among labels or predictions. Several labels a row.</summary>
    public double? MacroF1 { get; init; }

    /// <summary>Pearson correlation of predictions and values; NaN where either is constant. Regression.</summary>
    public double? Pearson { get; init; }

    /// <summary>Pearson correlation of the ranks, ties at their average rank; NaN where either is constant. Regression.</summary>
    public double? Spearman { get; init; }

    /// <summary>Mean squared error. Regression.</summary>
    public double? Mse { get; init; }

    /// <summary>Mean negative natural logarithm of the probability given to the true class; with several labels a row, averaged over them. Classification.</summary>
    public double? LogLoss { get; init; }
}
