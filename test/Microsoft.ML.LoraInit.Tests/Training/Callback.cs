namespace Microsoft.ML.LoraInit.Tests.Training;

/// <summary>Does something at each report, on the thread that reports.</summary>
internal sealed class Callback(Action<TrainingProgress> action) : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value) => action(value);
}
