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

    internal static TrainingDivergedException After(long step, string subject, Exception? cause = null) => new(
        $"{subject} not finite after optimiser step {step}: training has diverged. Lower InitialLearningRate, raise WarmupRatio, set MaxGradientNorm (1 is usual) or lower Alpha; with bfloat16 try Precision.Float32.", cause)
    {
        Step = step,
    };
}
