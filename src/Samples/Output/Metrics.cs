using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>The metrics of a task's rows; of those with several labels each in a form of their own.</summary>
/// <param name="Metrics">Of one label a row.</param>
/// <param name="Labels">Of several.</param>
/// <param name="Calibration">How far the probabilities can be believed; null for numbers.</param>
internal sealed record Evaluation(EpochMetrics? Metrics = null, MultiLabelClassificationMetrics? Labels = null, CalibrationMetrics? Calibration = null);

/// <summary>The metrics of scored rows by ML.NET's evaluators, and what they leave out.</summary>
internal static class Metrics
{
    /// <summary>Evaluates rows that went through a model, in one pass of the model over them.</summary>
    public static Evaluation Evaluate(MLContext ml, IDataView scored, TaskKind kind)
    {
        var cached = Cached(ml, scored);
        switch (kind)
        {
            case TaskKind.Regression:
                var regression = ml.Regression.Evaluate(cached);
                // Of one row there is none.
                var correlation = cached.GetColumn<float>("Label").Skip(1).Any() ? ml.Regression.EvaluateCorrelation(cached) : null;
                return new(new EpochMetrics
                {
                    Pearson = Finite(correlation?.PearsonCorrelation),
                    Spearman = Finite(correlation?.SpearmanCorrelation),
                    Mse = regression.MeanSquaredError,
                });
            case TaskKind.MultiLabel:
                return new(Labels: ml.MulticlassClassification.EvaluateMultiLabel(cached), Calibration: ml.MulticlassClassification.EvaluateMultiLabelCalibration(cached));
            case TaskKind.Binary:
                var binary = BinaryCounts.Of(cached);
                return new(new EpochMetrics { Accuracy = binary.Accuracy, F1 = binary.F1, Matthews = binary.Matthews, LogLoss = binary.LogLoss }, Calibration: ml.BinaryClassification.EvaluateCalibration(cached));
            default:
                var multiclass = ml.MulticlassClassification.Evaluate(cached);
                return new(new EpochMetrics
                {
                    Accuracy = multiclass.MicroAccuracy,
                    F1 = F1Score(multiclass.ConfusionMatrix),
                    Matthews = multiclass.ConfusionMatrix.MatthewsCorrelation(),
                    LogLoss = multiclass.LogLoss,
                }, Calibration: ml.MulticlassClassification.EvaluateCalibration(cached));
        }
    }

    /// <summary>Scored rows whose labels and scores are kept once they are computed.</summary>
    public static IDataView Cached(MLContext ml, IDataView scored) =>
        ml.Data.Cache(scored, [.. new[] { "Label", "Score", "Probability", "PredictedLabel" }.Where(c => scored.Schema.GetColumnOrNull(c) is not null)]);

    /// <summary>Names and values for people, in the order of the report.</summary>
    public static IEnumerable<(string Name, double Value)> Present(EpochMetrics metrics)
    {
        (string Name, double? Value)[] all =
        [
            ("accuracy", metrics.Accuracy), ("F1", metrics.F1), ("Matthews", metrics.Matthews), ("Pearson", metrics.Pearson), ("Spearman", metrics.Spearman), ("MSE", metrics.Mse), ("log loss", metrics.LogLoss),
        ];
        return all.Where(m => m.Value is not null).Select(m => (m.Name, m.Value!.Value));
    }

    private static double F1Score(ConfusionMatrix confusion)
    {
        int classes = confusion.NumberOfClasses;
        double Occurrences(int c) => Enumerable.Range(0, classes).Sum(i => confusion.Counts[i][c] + confusion.Counts[c][i]);
        double Of(int c) => Occurrences(c) is > 0 and var occurrences ? 2 * confusion.Counts[c][c] / occurrences : 0;
        return classes == 2 ? Of(1) : Enumerable.Range(0, classes).Where(c => Occurrences(c) > 0).Average(Of);
    }

    private static double? Finite(double? value) => value is { } number && double.IsFinite(number) ? number : null;
}
