using System.Globalization;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>
/// Calibrates a trained model's probabilities on validation rows (<see cref="TemperatureFit"/>). The model gets what all of them say;
/// the error reported is of rows that the fit had not seen: of each half of them, under what the other half alone says.
/// </summary>
internal static class TemperatureScaling
{
    /// <summary>Validation rows that it takes: fewer say too little of how sure the model should be.</summary>
    public const int LeastRows = 100;

    /// <param name="model">The trained model.</param>
    /// <param name="task">What it was trained for.</param>
    /// <param name="validation">The validation rows, or null.</param>
    /// <param name="seed">Draws the halves.</param>
    /// <param name="log">Told what was done, or why nothing.</param>
    /// <returns>What the scores are to be made with, and how well that does; null where nothing was fitted.</returns>
    public static (ScoreCalibration Calibration, CalibrationHistory History)? Fit(FineTunedModel model, TextTask task, TextDataset? validation, int seed, Action<string> log)
    {
        if (validation is null || task is RegressionTask)
            return null;
        if (validation.Count < LeastRows)
        {
            log($"No temperature was fitted: that takes {LeastRows} validation rows, and there are {validation.Count}. Probabilities are the model's own.");
            return null;
        }
        var order = new SeededRandom(SeededRandom.Hash(seed, "temperature")).Permutation(validation.Count);
        TextDataset[] halves = [validation.Take([.. order.Take(validation.Count / 2).Order()]), validation.Take([.. order.Skip(validation.Count / 2).Order()])];
        if (halves.Any(half => half.Weights?.All(w => w == 0) == true))
            return null;
        float[][][] logits = [.. halves.Select(half => half.Combine(model.Score(half.Texts)))];
        var (before, after) = Judge(task, logits, halves);
        float[]? weights = halves[0].Weights is { } first ? [.. first, .. halves[1].Weights!] : null;
        var fitted = TemperatureFit.Of(task, [.. logits[0], .. logits[1]], [.. halves[0].Labels, .. halves[1].Labels], weights);
        var history = History(fitted, validation.Count, before, after);
        log(string.Create(CultureInfo.InvariantCulture,
            $"{Says(fitted)}, fitted on {validation.Count} validation rows. Of each half under what the other half says, the expected calibration error is {history.ExpectedCalibrationError:0.0000} ({history.UncalibratedError:0.0000} without, {history.ErrorByChance:0.0000} by chance alone)."));
        return (fitted, history);
    }

    /// <summary>Probabilities as they are, and as each half has them under what the other half says.</summary>
    internal static (CalibrationMetrics Before, CalibrationMetrics After) Judge(TextTask task, float[][][] logits, TextDataset[] halves)
    {
        var (before, after) = (new CalibrationCounts(), new CalibrationCounts());
        for (int half = 0; half < 2; half++)
        {
            var others = TemperatureFit.Of(task, logits[1 - half], halves[1 - half].Labels, halves[1 - half].Weights);
            Add(before, ScoreCalibration.None, task, logits[half], halves[half]);
            Add(after, others, task, logits[half], halves[half]);
        }
        return (before.ToMetrics(), after.ToMetrics());
    }

    private static string Says(ScoreCalibration fitted) => fitted.Bend is { } bend
        ? string.Create(CultureInfo.InvariantCulture, $"Temperature {bend.Near:0.000} for logits that are up to {bend.At:0.000} apart and {bend.Far:0.000} beyond")
        : string.Create(CultureInfo.InvariantCulture, $"Temperature {fitted.Temperature:0.000}");

    private static CalibrationHistory History(ScoreCalibration fitted, int rows, CalibrationMetrics before, CalibrationMetrics after) => new()
    {
        Temperature = fitted.Temperature,
        Bend = fitted.Bend,
        FittedRows = rows,
        Rows = rows,
        ExpectedCalibrationError = after.ExpectedCalibrationError,
        UncalibratedError = before.ExpectedCalibrationError,
        ErrorByChance = after.ErrorByChance,
        BrierScore = after.BrierScore,
        UncalibratedBrierScore = before.BrierScore,
        Bins = after.Bins,
    };

    private static void Add(CalibrationCounts counts, ScoreCalibration calibration, TextTask task, float[][] logits, TextDataset rows)
    {
        for (int i = 0; i < logits.Length; i++)
            counts.Add(task, calibration.Scores(task, logits[i]), rows.Labels.AsSpan(i * rows.LabelsPerRow, rows.LabelsPerRow), rows.Weights?[i] ?? 1);
    }
}
