using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Checkpoints.Hub;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Persistence;

/// <summary>Where a model's base was found when it was trained, and what identifies it.</summary>
/// <param name="Kind"><c>mini</c>, <c>directory</c> or <c>hub</c>.</param>
/// <param name="Source">The checkpoint's id: <c>mini</c>, the folder's full path, or the repository.</param>
/// <param name="Revision">The repository's revision; null for the default one.</param>
/// <param name="Id">The base's name.</param>
/// <param name="Sha256">Of its weights.</param>
internal sealed record StoredBase(string Kind, string Source, string? Revision, string Id, string Sha256)
{
    private const string Directory = "directory";
    private const string Hub = "hub";

    public static StoredBase Of(RobertaCheckpoint checkpoint, BaseIdentity identity) => checkpoint switch
    {
        StoredCheckpoint stored => stored.Origin,
        HubCheckpoint hub => new(Hub, hub.Id, hub.Options.Revision, identity.Id, identity.Sha256),
        DirectoryCheckpoint => new(Directory, checkpoint.Id, null, identity.Id, identity.Sha256),
        _ => new(EmbeddedCheckpoint.MiniId, checkpoint.Id, null, identity.Id, identity.Sha256),
    };

    /// <exception cref="InvalidDataException">The kind is unknown.</exception>
    public RobertaCheckpoint Checkpoint() => Kind switch
    {
        EmbeddedCheckpoint.MiniId => RobertaCheckpoint.Mini,
        Directory => RobertaCheckpoint.FromDirectory(Source),
        Hub => RobertaCheckpoint.FromHub(Source, Revision is null ? null : new HubOptions { Revision = Revision }),
        _ => throw new InvalidDataException($"The model file is damaged: it names a base of the unknown kind '{Kind}'."),
    };
}
