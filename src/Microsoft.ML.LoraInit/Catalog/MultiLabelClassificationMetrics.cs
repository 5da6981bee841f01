using Microsoft.ML.LoraInit.Data.Tasks;

namespace Microsoft.ML.LoraInit;

/// <summary>How well predicted labels agree with the true ones, where a row may have none, one or several.</summary>
/// <remarks>A precision, recall or F1 whose denominator is 0 counts as 0.</remarks>
public sealed record MultiLabelClassificationMetrics
{
    internal MultiLabelClassificationMetrics(MultiLabelCounts counts, IReadOnlyList<LabelMetrics> labels)
    {
        (MicroF1, MacroF1, MicroPrecision, MicroRecall) = (counts.MicroF1, counts.MacroF1, counts.MicroPrecision, counts.MicroRecall);
        (SubsetAccuracy, HammingLoss, PerLabel) = (counts.SubsetAccuracy, counts.HammingLoss, labels);
        MeanAveragePrecision = Mean(labels.Select(l => l.AveragePrecision));
        MeanAreaUnderRocCurve = Mean(labels.Select(l => l.AreaUnderRocCurve));
    }

    /// <summary>F1 of all predictions of all labels together.</summary>
    public double MicroF1 { get; }

    /// <summary>Mean of the labels' F1, of those that occur among the true or predicted ones.</summary>
    public double MacroF1 { get; }

    /// <summary>Share of the predicted labels that are true.</summary>
    public double MicroPrecision { get; }

    /// <summary>Share of the true labels that are predicted.</summary>
    public double MicroRecall { get; }

    /// <summary>Share of the rows whose labels are all right.</summary>
    public double SubsetAccuracy { get; }

    /// <summary>Share of all labels of all rows that are wrong.</summary>
    public double HammingLoss { get; }

    /// <summary>Mean of the labels' average precision, without those that are never true; NaN where none is.</summary>
    public double MeanAveragePrecision { get; }

    /// <summary>Mean of the labels' area under the ROC curve, without those that are always or never true; NaN where all are.</summary>
    public double MeanAreaUnderRocCurve { get; }

    /// <summary>Each label's own metrics, in the order of the slots.</summary>
    public IReadOnlyList<LabelMetrics> PerLabel { get; }

    private static double Mean(IEnumerable<double> values) => values.Where(v => !double.IsNaN(v)).DefaultIfEmpty(double.NaN).Average();
}

/// <summary>Metrics of one label.</summary>
/// <param name="Name">The slot's name, or its number from 0 where it has none.</param>
/// <param name="Positives">Rows that have the label.</param>
/// <param name="Precision">Share of the rows predicted to have it that do.</param>
/// <param name="Recall">Share of the rows with it that are predicted to.</param>
/// <param name="F1Score">Harmonic mean of precision and recall.</param>
/// <param name="AveragePrecision">Σ (Rₙ − Rₙ₋₁) Pₙ over the thresholds of the score; NaN where no row has the label.</param>
/// <param name="AreaUnderRocCurve">The chance that a row with the label scores above one without, ties counting half; NaN where all or no rows have it.</param>
public sealed record LabelMetrics(
    string Name, int Positives, double Precision, double Recall, double F1Score, double AveragePrecision, double AreaUnderRocCurve);
