using System.Text.Json.Nodes;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>What a report says of the probabilities.</summary>
/// <param name="Error">Expected calibration error.</param>
/// <param name="Brier">Brier score.</param>
/// <param name="Rows">The rows that these are of, where they are not all rows of the report: those that the temperature was not fitted on.</param>
/// <param name="Temperature">The model's; null where it is not known.</param>
internal sealed record CalibrationFigures(double Error, double Brier, int? Rows, double? Temperature)
{
    /// <param name="evaluation">Of all rows.</param>
    /// <param name="fitted">How the temperature was fitted on some of these rows; null where it was on none.</param>
    public static CalibrationFigures? Of(Evaluation evaluation, CalibrationHistory? fitted) => fitted is not null
        ? new(fitted.ExpectedCalibrationError, fitted.BrierScore, fitted.Rows, fitted.Temperature)
        : evaluation.Calibration is { } all ? new(all.ExpectedCalibrationError, all.BrierScore, null, 1) : null;

    /// <summary>Names and values for people.</summary>
    public IEnumerable<(string Name, double Value)> Present() => [("calibration error", Error), ("Brier score", Brier)];

    public void AddTo(JsonObject metrics)
    {
        metrics["expected_calibration_error"] = Error;
        metrics["brier_score"] = Brier;
        if (Rows is not null)
            metrics["calibration_rows"] = Rows;
        if (Temperature is not null)
            metrics["temperature"] = Temperature;
    }
}
