using Microsoft.ML.LoraInit.Checkpoints;

namespace Microsoft.ML.LoraInit.Persistence;

/// <summary>Opens the base that a model names, and makes sure that it is the one.</summary>
internal static class BaseResolver
{
    /// <exception cref="InvalidDataException">It cannot be opened, or it is another model.</exception>
    public static CheckpointFiles Open(RobertaCheckpoint checkpoint, ModelHeader header)
    {
        CheckpointFiles files;
        try
        {
            files = checkpoint.Open(null, CancellationToken.None);
        }
        catch (Exception e) when (e is IOException or ArgumentException or InvalidDataException or InvalidOperationException or NotSupportedException or HttpRequestException or UnauthorizedAccessException)
        {
            throw Missing(header.Base, e.Message, e);
        }
        if (files.Identity.Sha256 == header.Base.Sha256 && files.Config == header.Config)
            return files;

        using (files)
            throw new InvalidDataException(files.Identity.Sha256 != header.Base.Sha256
                ? $"The model was trained on the base '{header.Base.Source}' with the SHA-256 {header.Base.Sha256}, but what is there now has {files.Identity.Sha256}. Restore the base that the model was trained on."
                : $"The model was trained on the base '{header.Base.Source}' with another config.json than is there now. Restore the base that the model was trained on.");
    }

    private static InvalidDataException Missing(StoredBase stored, string reason, Exception cause) =>
        new($"The model was saved without its base '{stored.Source}' (SHA-256 {stored.Sha256}), which cannot be opened: {reason.TrimEnd('.')}. Put the base there, or save the model with SaveMode = SelfContained.", cause);
}
