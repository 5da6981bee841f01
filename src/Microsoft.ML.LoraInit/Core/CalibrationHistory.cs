namespace Microsoft.ML.LoraInit;

/// <summary>
/// How a model's probabilities were calibrated after training, and how well that does on rows that it was not fitted on: the error
/// is that of each half of the validation rows under what the other half alone says. The model has what all of them say.
/// </summary>
public sealed record CalibrationHistory
{
    /// <summary>
    /// What logits are divided by: above 1 probabilities were too extreme, below 1 too cautious. Where there is a <see cref="Bend"/>, the
    /// single number that comes nearest to it, for readers that know no other.
    /// </summary>
    public required double Temperature { get; init; }

    /// <summary>Two temperatures in place of one, where the validation rows gave reason enough; else null.</summary>
    public TemperatureBend? Bend { get; init; }

    /// <summary>Validation rows that the temperature was fitted on.</summary>
    public required int FittedRows { get; init; }

    /// <summary>Validation rows that the figures below are of, each under what the half that it is not in says.</summary>
    public required int Rows { get; init; }

    /// <summary>Expected calibration error (<see cref="CalibrationMetrics.ExpectedCalibrationError"/>) with the temperature.</summary>
    public required double ExpectedCalibrationError { get; init; }

    /// <summary>The same without it.</summary>
    public required double UncalibratedError { get; init; }

    /// <summary>What chance alone would make of it (<see cref="CalibrationMetrics.ErrorByChance"/>).</summary>
    public double ErrorByChance { get; init; }

    /// <summary>Brier score (<see cref="CalibrationMetrics.BrierScore"/>) with the temperature.</summary>
    public required double BrierScore { get; init; }

    /// <summary>The same without it.</summary>
    public required double UncalibratedBrierScore { get; init; }

    /// <summary>Ranges of the probability with the temperature, as a reliability plot shows them.</summary>
    public required IReadOnlyList<CalibrationBin> Bins { get; init; }
}
