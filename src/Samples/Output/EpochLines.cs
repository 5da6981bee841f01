namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>
/// The line that each epoch leaves. The last step of an epoch reports first, then the epoch with its mean loss and metric: the later one
/// is shown, when the next thing is reported.
/// </summary>
internal sealed class EpochLines
{
    private string? _pending;
    private int _epoch;

    /// <summary>Whether a report is of an epoch's end; its line then waits.</summary>
    public static bool IsEnd(TrainingProgress value) =>
        value.Phase == TrainingPhase.Training && value.Loss is not null && value.Step * value.MaxEpochs == value.Epoch * value.TotalSteps;

    /// <summary>Takes a report, and gives the line that is now due, or null.</summary>
    public string? Next(TrainingProgress value)
    {
        if (value.Phase == TrainingPhase.Validating)
            return null;
        var due = IsEnd(value) && value.Epoch == _epoch ? null : Take();
        if (IsEnd(value))
            (_pending, _epoch) = (ProgressDisplay.Describe(value), value.Epoch);
        return due;
    }

    /// <summary>The line that waits, once.</summary>
    public string? Take()
    {
        var line = _pending;
        _pending = null;
        return line;
    }
}
