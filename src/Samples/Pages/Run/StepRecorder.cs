namespace Microsoft.ML.LoraInit.Samples.Pages.Run;

/// <summary>Keeps the losses that a training reports, and passes all reports on.</summary>
internal sealed class StepRecorder(IProgress<TrainingProgress> next) : IProgress<TrainingProgress>
{
    private readonly Lock _gate = new();
    private readonly List<(long Step, double Loss)> _losses = [];

    /// <summary>In the order of the steps. What is reported at an epoch's end is the epoch's mean, which the history has, and not here.</summary>
    public IReadOnlyList<(long Step, double Loss)> Losses
    {
        get
        {
            lock (_gate)
                return [.. _losses];
        }
    }

    public void Report(TrainingProgress value)
    {
        if (value is { Phase: TrainingPhase.Training, Loss: { } loss, Message: null })
            lock (_gate)
                _losses.Add((value.Step, loss));
        next.Report(value);
    }
}
