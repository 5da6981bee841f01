using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Persistence;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>Whether a model is saved with its base where the options leave that open, and that a file can hold it.</summary>
internal static class SaveModes
{
    /// <summary>A folder is often on one machine only, so it goes with the model; a package or the hub is found again.</summary>
    public static ModelSaveMode Default(RobertaCheckpoint checkpoint) =>
        checkpoint is DirectoryCheckpoint ? ModelSaveMode.SelfContained : ModelSaveMode.AdapterOnly;

    /// <summary>Chooses before long work.</summary>
    /// <param name="asked">What the options say; null where they leave it open.</param>
    /// <param name="checkpoint">The base.</param>
    /// <param name="files">The base, open.</param>
    /// <param name="warn">Told where the base has to stay outside because a file cannot hold it.</param>
    /// <param name="most">The most bytes of it that a file holds.</param>
    /// <exception cref="ArgumentException">It is to go with the model, and a file cannot hold it.</exception>
    public static ModelSaveMode Choose(
        ModelSaveMode? asked, RobertaCheckpoint checkpoint, CheckpointFiles files, Action<string> warn, long most = ModelFormat.MostOfPart)
    {
        var mode = asked ?? Default(checkpoint);
        if (mode != ModelSaveMode.SelfContained || ModelWriter.Holds(files, most))
            return mode;
        var size = $"the base '{checkpoint.Id}' is larger than the {most:N0} bytes that a model file holds of it";
        if (asked is not null)
            throw new ArgumentException($"SaveMode = {mode}: {size}. Choose {nameof(ModelSaveMode.AdapterOnly)} and keep the base where the model is loaded, or keep the trained model as a folder: SaveMergedModel.");
        warn($"The model is saved without its base, which has to be found where it is loaded: {size}.");
        return ModelSaveMode.AdapterOnly;
    }
}
