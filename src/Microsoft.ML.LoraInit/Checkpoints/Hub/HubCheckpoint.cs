namespace Microsoft.ML.LoraInit.Checkpoints.Hub;

/// <summary>A checkpoint in a repository of the Hugging Face hub.</summary>
internal sealed class HubCheckpoint : RobertaCheckpoint
{
    private const int MaxIdLength = 96;

    public HubCheckpoint(string id, HubOptions options)
    {
        if (!IsId(id))
            throw new ArgumentException($"'{id}' is not the id of a hub repository; expected 'owner/name', such as 'FacebookAI/roberta-base'.", nameof(id));
        Id = id;
        Options = options;
    }

    public override string Id { get; }

    public HubOptions Options { get; }

    /// <summary>Whether a text has a repository id's form: one or two parts of letters, digits, '-', '_', '.'.</summary>
    public static bool IsId(string text)
    {
        var parts = text.Split('/');
        return parts.Length <= 2 && text.Length <= MaxIdLength && parts.All(part =>
            part.Length > 0
            && part.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            && !(part[0] is '-' or '.') && !(part[^1] is '-' or '.')
            && !part.Contains("--", StringComparison.Ordinal) && !part.Contains("..", StringComparison.Ordinal));
    }

    internal override CheckpointFiles Open(IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        var settings = HubSettings.Resolve(Options, Environment.GetEnvironmentVariable);
        var snapshot = new HubSnapshot(settings, Id, progress);
        // On the pool, so that a caller's synchronisation context cannot be waited for.
        var folder = Task.Run(() => snapshot.GetAsync(cancellationToken), CancellationToken.None).GetAwaiter().GetResult();
        return CheckpointDirectory.Open(folder, Id, progress, cancellationToken);
    }
}
