namespace Microsoft.ML.LoraInit.Checkpoints;

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

    internal override CheckpointFiles Open(IProgress<TrainingProgress>? progress, CancellationToken cancellationToken) =>
        throw new NotSupportedException($"'{Id}' is on the hub, which this version cannot read; download it and use RobertaCheckpoint.FromDirectory.");
}
