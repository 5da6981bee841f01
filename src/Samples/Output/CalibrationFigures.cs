using System.Globalization;
using System.Text.Json.Nodes;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>What a report says of the probabilities.</summary>
/// <param name="Error">Expected calibration error.</param>
/// <param name="ByChance">What it would be of exact probabilities, on as many rows.</param>
/// <param name="Brier">Brier score.</param>
/// <param name="Fitted">How the model was calibrated on the rows of this report; null where it was not on these.</param>
/// <param name="Temperature">The model's; null where it is not known.</param>
/// <param name="Bend">The model's; null for none.</param>
internal sealed record CalibrationFigures(double Error, double ByChance, double Brier, CalibrationHistory? Fitted, double? Temperature, TemperatureBend? Bend)
{
    /// <param name="evaluation">Of all rows.</param>
    /// <param name="fitted">How the temperature was fitted on these rows; null where it was not.</param>
    public static CalibrationFigures? Of(Evaluation evaluation, CalibrationHistory? fitted) => fitted is not null
        ? new(fitted.ExpectedCalibrationError, fitted.ErrorByChance, fitted.BrierScore, fitted, fitted.Temperature, fitted.Bend)
        : evaluation.Calibration is { } all ? new(all.ExpectedCalibrationError, all.ErrorByChance, all.BrierScore, null, 1, null) : null;

    /// <summary>Names and values for people.</summary>
    public IEnumerable<(string Name, double Value)> Present() => [("calibration error", Error), ("by chance alone", ByChance), ("Brier score", Brier)];

    /// <summary>The temperature, or the two, in words.</summary>
    public static string Says(double temperature, TemperatureBend? bend) => bend is null
        ? string.Create(CultureInfo.InvariantCulture, $"temperature {temperature:0.000}")
        : string.Create(CultureInfo.InvariantCulture, $"temperatures {bend.Near:0.000} for logits up to {bend.At:0.000} apart and {bend.Far:0.000} beyond");

    public void AddTo(JsonObject metrics)
    {
        metrics["expected_calibration_error"] = Error;
        metrics["calibration_error_by_chance"] = ByChance;
        metrics["brier_score"] = Brier;
        if (Fitted is not null)
            metrics["calibration_rows"] = Fitted.Rows;
        if (Temperature is not null)
            metrics["temperature"] = Temperature;
        if (Bend is null)
            return;
        metrics["near_temperature"] = Bend.Near;
        metrics["far_temperature"] = Bend.Far;
        metrics["temperature_bend"] = Bend.At;
    }
}
