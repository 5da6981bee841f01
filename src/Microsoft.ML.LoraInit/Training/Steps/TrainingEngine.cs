namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>The step that fits the device, and what it needs around it.</summary>
internal sealed class TrainingEngine : IDisposable
{
    private TrainingEngine(TrainingStep step) => Step = step;

    public TrainingStep Step { get; }

    public static TrainingEngine For(StepParts parts) => new(new HostStep(parts));

    public void Dispose() => Step.Dispose();
}
