using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Persistence;

/// <summary>The base inside a self-contained model, kept so that the model can be saved again.</summary>
internal sealed class StoredCheckpoint(StoredBase origin, string configJson, IReadOnlyDictionary<string, byte[]> texts, byte[] weights) : RobertaCheckpoint
{
    /// <summary>Where the base came from when the model was trained.</summary>
    public StoredBase Origin => origin;

    public override string Id => origin.Source;

    // The identity is that of the file trained on, which held more than the encoder stored here.
    internal override CheckpointFiles Open(IProgress<TrainingProgress>? progress, CancellationToken cancellationToken) => new(
        new BaseIdentity(origin.Id, origin.Sha256),
        configJson,
        name => texts.TryGetValue(name, out var text) ? new MemoryStream(text, writable: false) : null,
        [SafetensorsFile.Open(new MemoryStream(weights, writable: false), $"{origin.Id}: {CheckpointNames.Weights}")]);
}
