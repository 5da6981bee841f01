using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>A checkpoint in a folder of the Hugging Face layout.</summary>
internal static class CheckpointDirectory
{
    /// <param name="path">The folder.</param>
    /// <param name="id">The checkpoint's name in <see cref="BaseIdentity"/>.</param>
    /// <param name="progress">Told about the hashing of large files; may be null.</param>
    /// <param name="cancellationToken">Stops the hashing.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">A file is missing; the message names it.</exception>
    /// <exception cref="InvalidDataException">A file is invalid or of an unsupported kind.</exception>
    public static CheckpointFiles Open(string path, string id, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(path))
            throw new DirectoryNotFoundException($"The base model's folder '{path}' does not exist.");
        Check(CheckpointNames.Config, RobertaModelType.Roberta);
        var config = UntrustedFile.ReadText(Path.Combine(path, CheckpointNames.Config), UntrustedFile.MaxJson);
        // Before hashing hundreds of megabytes of a model that cannot be used.
        var type = RobertaConfigReader.Parse(config, Path.Combine(path, CheckpointNames.Config)).ModelType;
        if (!File.Exists(Path.Combine(path, TokenizerNames.Tokenizer)))
            foreach (var name in VocabularyFiles.Names(type))
                Check(name, type);
        var weightPaths = WeightPaths(path);
        var files = new List<SafetensorsFile>();
        try
        {
            foreach (var file in weightPaths)
                files.Add(SafetensorsFile.Open(file));
            var identity = new BaseIdentity(id, WeightsHash.Of(files, progress, cancellationToken));
            return new CheckpointFiles(identity, config, name => TextIfThere(Path.Combine(path, name)), files);
        }
        catch
        {
            files.ForEach(f => f.Dispose());
            throw;
        }

        void Check(string name, RobertaModelType type)
        {
            if (!File.Exists(Path.Combine(path, name)))
                throw new FileNotFoundException($"'{path}' has no {name}; a checkpoint is a folder with {CheckpointNames.Config}, {VocabularyFiles.Listed(type)} (or {TokenizerNames.Tokenizer}), and {CheckpointNames.Weights}.", Path.Combine(path, name));
        }
    }

    private static MemoryStream? TextIfThere(string path) => File.Exists(path) ? new(UntrustedFile.Read(path, UntrustedFile.MaxVocabulary), writable: false) : null;

    private static IReadOnlyList<string> WeightPaths(string path)
    {
        var single = Path.Combine(path, CheckpointNames.Weights);
        if (File.Exists(single))
            return [single];
        var index = Path.Combine(path, CheckpointNames.WeightsIndex);
        if (File.Exists(index))
            return Shards(path, index);
        if (CheckpointNames.Pickles.Any(name => File.Exists(Path.Combine(path, name))))
            throw new NotSupportedException(CheckpointNames.PickleAdvice(path));
        throw new FileNotFoundException($"'{path}' has neither {CheckpointNames.Weights} nor {CheckpointNames.WeightsIndex}.", single);
    }

    private static string[] Shards(string path, string index)
    {
        var shards = ShardIndex.Files(ShardIndex.Parse(UntrustedFile.ReadText(index, UntrustedFile.MaxJson), index));
        foreach (var name in shards)
            if (!File.Exists(Path.Combine(path, name)))
                throw new FileNotFoundException($"'{index}' names the shard '{name}', which is not there.", Path.Combine(path, name));
        return [.. shards.Select(name => Path.Combine(path, name))];
    }
}
