namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>A checkpoint in a folder.</summary>
internal sealed class DirectoryCheckpoint(string path) : RobertaCheckpoint
{
    public override string Id { get; } = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    internal override CheckpointFiles Open(IProgress<TrainingProgress>? progress, CancellationToken cancellationToken) =>
        CheckpointDirectory.Open(Id, Id, progress, cancellationToken);
}
