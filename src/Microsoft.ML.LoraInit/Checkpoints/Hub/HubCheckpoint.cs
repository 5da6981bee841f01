namespace Microsoft.ML.LoraInit.Checkpoints.Hub;

/// <summary>A checkpoint in a repository of the Hugging Face hub.</summary>
internal sealed class HubCheckpoint : RobertaCheckpoint
{
    private const int MaxIdLength = 96;

    public HubCheckpoint(string id, HubOptions options)
    {
        if (!IsId(id))
            throw new ArgumentException($"'{id}' is not the id of a hub repository; expected 'owner/name', such as 'FacebookAI/roberta-base' (a revision goes into HubOptions.Revision).", nameof(id));
        HubSettings.CheckRevision(options.Revision);
        Repository = id;
        Options = options;
    }

    /// <summary><c>owner/name</c>, with <c>@revision</c> where that is not main.</summary>
    public override string Id => Options.Revision == HubOptions.DefaultRevision ? Repository : $"{Repository}@{Options.Revision}";

    public string Repository { get; }

    public HubOptions Options { get; }

    /// <summary>Understands what <see cref="Id"/> writes; null where a text is nothing of the kind.</summary>
    public static HubCheckpoint? TryParse(string text)
    {
        var parts = text.Split('@', 2);
        if (!IsId(parts[0]))
            return null;
        return new HubCheckpoint(parts[0], parts.Length == 1 ? new HubOptions() : new HubOptions { Revision = parts[1] });
    }

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
        var snapshot = new HubSnapshot(settings, Repository, progress);
        // On the pool, so that a caller's synchronisation context cannot be waited for.
        var folder = Task.Run(() => snapshot.GetAsync(cancellationToken), CancellationToken.None).GetAwaiter().GetResult();
        return CheckpointDirectory.Open(folder, Id, progress, cancellationToken);
    }
}
