namespace Microsoft.ML.LoraInit;

/// <summary>How far probabilities can be believed: of all rows said to be 80 % sure, 80 % should be right.</summary>
/// <remarks>
/// What a probability is compared with depends on the labels. One of several classes: the probability of the predicted class, and
/// whether it is the true one. Yes or no: the probability of true, and whether it is. Several labels a row: the probability of each
/// label of each row, and whether the row has it.
/// </remarks>
public sealed record CalibrationMetrics
{
    internal CalibrationMetrics(double error, double byChance, double brier, IReadOnlyList<CalibrationBin> bins) =>
        (ExpectedCalibrationError, ErrorByChance, BrierScore, Bins) = (error, byChance, brier, bins);

    /// <summary>
    /// The mean distance of probability and frequency over the bins, weighted by their rows (arXiv 1706.04599), in [0, 1]: 0.02 says
    /// that probabilities are two points off on average.
    /// </summary>
    public double ExpectedCalibrationError { get; }

    /// <summary>
    /// The expected calibration error that probabilities which are exactly right would show on average on these rows: frequencies
    /// of few rows are off by chance. An error that is not above it says nothing against the model; more rows make both smaller.
    /// Every bin's sum is taken as normal, and the labels of a row as independent.
    /// </summary>
    public double ErrorByChance { get; }

    /// <summary>
    /// The mean squared distance of the probabilities from 0 and 1 as they should have been (Brier 1950): summed over the classes, so
    /// in [0, 2], for one of several classes; in [0, 1] for yes or no and, averaged over them, for labels. Lower is better.
    /// </summary>
    public double BrierScore { get; }

    /// <summary>Ranges of the probability, from 0 to 1, also those without rows.</summary>
    public IReadOnlyList<CalibrationBin> Bins { get; }
}

/// <summary>The rows whose probability lies in a range.</summary>
/// <param name="From">Where the range begins.</param>
/// <param name="To">Where it ends; belongs to the next range, but for 1.</param>
/// <param name="Count">Rows, or labels of rows, in it.</param>
/// <param name="MeanProbability">Their mean probability; NaN without rows.</param>
/// <param name="Frequency">The share of them that turned out right, or true; NaN without rows.</param>
public sealed record CalibrationBin(double From, double To, int Count, double MeanProbability, double Frequency);
