using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>
/// What yes-or-no labels and predictions give, whatever the rows are: ML.NET's evaluator ends with an error where they are of one class,
/// of which it can make no AUC.
/// </summary>
internal readonly record struct BinaryCounts(long TruePositive, long FalsePositive, long TrueNegative, long FalseNegative, double LogLoss)
{
    // As ML.NET's evaluator of several classes: a certain mistake is a large loss, and no infinite one.
    private const double LeastProbability = 1e-15;

    /// <summary>Reads scored rows: <c>Label</c>, <c>PredictedLabel</c> and <c>Probability</c>.</summary>
    public static BinaryCounts Of(IDataView scored)
    {
        long truePositive = 0, falsePositive = 0, trueNegative = 0, falseNegative = 0;
        double loss = 0;
        foreach (var ((label, predicted), probability) in scored.GetColumn<bool>("Label").Zip(scored.GetColumn<bool>("PredictedLabel")).Zip(scored.GetColumn<float>("Probability")))
        {
            loss -= Math.Log(Math.Max(LeastProbability, label ? probability : 1 - (double)probability));
            switch (label, predicted)
            {
                case (true, true):
                    truePositive++;
                    break;
                case (true, false):
                    falseNegative++;
                    break;
                case (false, true):
                    falsePositive++;
                    break;
                default:
                    trueNegative++;
                    break;
            }
        }
        var counts = new BinaryCounts(truePositive, falsePositive, trueNegative, falseNegative, 0);
        return counts with { LogLoss = loss / counts.Rows };
    }

    public double Accuracy => (TruePositive + TrueNegative) / (double)Rows;

    /// <summary>Of true; null where no row is true nor predicted to be.</summary>
    public double? F1 => TruePositive + FalsePositive + FalseNegative is > 0 and var others ? 2.0 * TruePositive / (TruePositive + others) : null;

    /// <summary>0 where only one class is there or predicted.</summary>
    public double Matthews
    {
        get
        {
            var (tp, fp, tn, fn) = ((double)TruePositive, (double)FalsePositive, (double)TrueNegative, (double)FalseNegative);
            var variances = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn);
            return variances > 0 ? ((tp * tn) - (fp * fn)) / Math.Sqrt(variances) : 0;
        }
    }

    private long Rows => TruePositive + FalsePositive + TrueNegative + FalseNegative;
}
