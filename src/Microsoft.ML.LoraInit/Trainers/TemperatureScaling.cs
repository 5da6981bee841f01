using System.Globalization;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>
/// Finds the temperature that makes a trained model's probabilities as likely as one number can (Guo et al., arXiv 1706.04599), on one
/// half of the validation rows, and judges the probabilities on the other.
/// </summary>
internal static class TemperatureScaling
{
    /// <summary>Validation rows that it takes: fewer say too little of how sure the model should be.</summary>
    public const int LeastRows = 100;

    private const int Halvings = 60;

    /// <param name="model">The trained model.</param>
    /// <param name="task">What it was trained for.</param>
    /// <param name="validation">The validation rows, or null.</param>
    /// <param name="seed">Draws the halves.</param>
    /// <param name="log">Told what was done, or why nothing.</param>
    /// <returns>Null where nothing was fitted: the temperature is 1.</returns>
    public static CalibrationHistory? Fit(FineTunedModel model, TextTask task, TextDataset? validation, int seed, Action<string> log)
    {
        if (validation is null)
            return null;
        if (validation.Count < LeastRows)
        {
            log($"No temperature was fitted: that takes {LeastRows} validation rows, and there are {validation.Count}. Probabilities are the model's own.");
            return null;
        }
        var order = new SeededRandom(SeededRandom.Hash(seed, "temperature")).Permutation(validation.Count);
        int half = validation.Count / 2;
        var (fitted, held) = (validation.Take([.. order.Take(half).Order()]), validation.Take([.. order.Skip(half).Order()]));
        if (fitted.Weights?.All(w => w == 0) == true || held.Weights?.All(w => w == 0) == true)
            return null;
        if (Temperature(task, fitted.Combine(model.Score(fitted.Texts)), fitted.Labels, fitted.Weights) is not { } temperature)
            return null;
        var logits = held.Combine(model.Score(held.Texts));
        var (before, after) = (Judge(task, logits, held, 1), Judge(task, logits, held, temperature));
        log(string.Create(CultureInfo.InvariantCulture,
            $"Temperature {temperature:0.000}, fitted on {fitted.Count} validation rows: on the other {held.Count} the expected calibration error is {after.ExpectedCalibrationError:0.0000} ({before.ExpectedCalibrationError:0.0000} without it)."));
        return new()
        {
            Temperature = temperature,
            FittedRows = fitted.Count,
            Rows = held.Count,
            ExpectedCalibrationError = after.ExpectedCalibrationError,
            UncalibratedError = before.ExpectedCalibrationError,
            BrierScore = after.BrierScore,
            UncalibratedBrierScore = before.BrierScore,
            Bins = after.Bins,
        };
    }

    /// <summary>
    /// Where the mean log loss of logits / T has its minimum. It is convex in 1 / T, so halving finds it. Targets are smoothed by
    /// 1 / (rows + 2), as Platt does, so that rows that are all right do not make the model infinitely sure.
    /// </summary>
    internal static double? Temperature(TextTask task, float[][] logits, float[] labels, float[]? weights)
    {
        double smoothing = 1.0 / (logits.Length + 2);
        double low = Math.Log(1 / ScoreCalibration.MostTemperature), high = Math.Log(1 / ScoreCalibration.LeastTemperature);
        for (int i = 0; i < Halvings; i++)
        {
            var middle = (low + high) / 2;
            if (task.LossSlope(logits, labels, weights, Math.Exp(middle), smoothing) is not { } slope)
                return null;
            (low, high) = slope < 0 ? (middle, high) : (low, middle);
        }
        return Math.Clamp(Math.Exp(-(low + high) / 2), ScoreCalibration.LeastTemperature, ScoreCalibration.MostTemperature);
    }

    private static CalibrationMetrics Judge(TextTask task, float[][] logits, TextDataset rows, double temperature)
    {
        var counts = new CalibrationCounts();
        var calibration = new ScoreCalibration(temperature, null);
        for (int i = 0; i < logits.Length; i++)
            counts.Add(task, task.Scores(calibration.Apply(logits[i])), rows.Labels.AsSpan(i * rows.LabelsPerRow, rows.LabelsPerRow), rows.Weights?[i] ?? 1);
        return counts.ToMetrics();
    }
}
