using System.Globalization;

namespace Microsoft.ML.LoraInit;

/// <summary>Training ended because the loss or a parameter became infinite or not a number.</summary>
public sealed class TrainingDivergedException : Exception
{
    /// <summary>Makes one with a message.</summary>
    public TrainingDivergedException(string message)
        : base(message)
    {
    }

    /// <summary>Optimiser steps done when it was noticed.</summary>
    public long Step { get; private init; }

    private TrainingDivergedException(string message, Exception? cause)
        : base(message, cause)
    {
    }

    internal static TrainingDivergedException After(long step, string subject, IReadOnlyList<float>? weights = null, Exception? cause = null) => new(
        Extreme(weights) is var (least, most)
            ? string.Create(CultureInfo.InvariantCulture, $"{subject} not finite after optimiser step {step}: the example weights go from {least:R} to {most:R}, and products with numbers so far from 1 leave the range of a float. Divide the weights by their mean.")
            : $"{subject} not finite after optimiser step {step}: training has diverged. Lower InitialLearningRate, raise WarmupRatio, set MaxGradientNorm (1 is usual) or lower Alpha; with bfloat16 try Precision.Float32.", cause)
    {
        Step = step,
    };

    // Far beyond what any weighting means, and well within what sums of a batch bear.
    private static (float Least, float Most)? Extreme(IReadOnlyList<float>? weights)
    {
        var counted = weights?.Where(w => w > 0).ToArray() ?? [];
        return counted.Length > 0 && (counted.Max() > 1e15f || counted.Max() < 1e-15f) ? (counted.Min(), counted.Max()) : null;
    }
}
