namespace Microsoft.ML.LoraInit;

/// <summary>
/// How a model's probabilities were calibrated after training, on one part of the validation rows, and how well they fit the other
/// part, which neither training nor the temperature has seen.
/// </summary>
public sealed record CalibrationHistory
{
    /// <summary>What logits are divided by: above 1 probabilities were too extreme, below 1 too cautious.</summary>
    public required double Temperature { get; init; }

    /// <summary>Validation rows that the temperature was fitted on.</summary>
    public required int FittedRows { get; init; }

    /// <summary>The other validation rows, of which the figures below are.</summary>
    public required int Rows { get; init; }

    /// <summary>Expected calibration error (<see cref="CalibrationMetrics.ExpectedCalibrationError"/>) with the temperature.</summary>
    public required double ExpectedCalibrationError { get; init; }

    /// <summary>The same without it.</summary>
    public required double UncalibratedError { get; init; }

    /// <summary>Brier score (<see cref="CalibrationMetrics.BrierScore"/>) with the temperature.</summary>
    public required double BrierScore { get; init; }

    /// <summary>The same without it.</summary>
    public required double UncalibratedBrierScore { get; init; }

    /// <summary>Ranges of the probability with the temperature, as a reliability plot shows them.</summary>
    public required IReadOnlyList<CalibrationBin> Bins { get; init; }
}
