using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fuzz.Formats;

/// <summary>A base model's folder, used as far as a trained model would use it.</summary>
internal class CheckpointFormat(Material material) : FuzzFormat
{
    public override string Name => "base";

    public override IReadOnlyList<Type> Refusals => [typeof(FileNotFoundException), typeof(NotSupportedException)];

    public override IReadOnlyList<IReadOnlyDictionary<string, byte[]>> Seeds { get; } = [material.BaseFiles, Sharded(material)];

    public override bool Read(string folder)
    {
        using var scope = NewDisposeScope();
        using var files = RobertaCheckpoint.FromDirectory(folder).Open(null, CancellationToken.None);
        var tokenizer = files.OpenTokenizer();
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        using var state = Material.Adapters(files.Config, 2, dora: false).ToState(files.Identity, files.Config);
        using var predictor = new RobertaPredictor(files.Config, state.MergedWeights(weights, CPU, ScalarType.Float32), new ScoringOptions().ForPredictor(ScalarType.Float32, CPU));
        using var scorer = new TextScorer(new(tokenizer, files.Config.MaxLength, LongText.Truncate), predictor);
        return Material.Finite(scorer.Score(Material.Texts).SelectMany(s => s));
    }

    private static Dictionary<string, byte[]> Sharded(Material material)
    {
        const string Shard = "model-00001-of-00001.safetensors";
        using var file = SafetensorsFile.Open(Path.Combine(material.BaseFolder, CheckpointNames.Weights));
        var files = new Dictionary<string, byte[]>(material.BaseFiles, StringComparer.Ordinal);
        files.Remove(CheckpointNames.Weights, out var weights);
        files[Shard] = weights!;
        files[CheckpointNames.WeightsIndex] = System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(new { weight_map = file.Names.ToDictionary(n => n, _ => Shard) });
        return files;
    }
}

/// <summary>The texts of a base model alone: every mutant spoils the tokenizer.</summary>
internal sealed class TokenizerFormat(Material material) : CheckpointFormat(material)
{
    private readonly byte[] _config = material.BaseFiles[CheckpointNames.Config];

    public override string Name => "tokenizer";

    public override IReadOnlyList<IReadOnlyDictionary<string, byte[]>> Seeds { get; } =
        [material.BaseFiles.Where(f => f.Key is CheckpointNames.Vocabulary or CheckpointNames.Merges).ToDictionary()];

    public override bool Read(string folder)
    {
        var config = RobertaConfigReader.Parse(System.Text.Encoding.UTF8.GetString(_config), CheckpointNames.Config);
        using var vocabulary = File.OpenRead(Path.Combine(folder, CheckpointNames.Vocabulary));
        using var merges = File.OpenRead(Path.Combine(folder, CheckpointNames.Merges));
        var tokenizer = BytePairTokenizer.Create(vocabulary, merges, config);
        return Material.Texts.All(t => tokenizer.Encode(t.First, t.Second, config.MaxLength).Ids.All(id => id >= 0 && id < config.VocabularySize));
    }
}

/// <summary>The configuration of a base model alone.</summary>
internal sealed class ConfigFormat(Material material) : CheckpointFormat(material)
{
    private readonly Material _material = material;

    public override string Name => "config";

    public override IReadOnlyList<IReadOnlyDictionary<string, byte[]>> Seeds { get; } = [material.BaseFiles.Where(f => f.Key == CheckpointNames.Config).ToDictionary()];

    public override IReadOnlyList<string> Leaves => [CheckpointNames.Vocabulary, CheckpointNames.Merges, CheckpointNames.Weights];

    public override bool Read(string folder)
    {
        foreach (var name in Leaves)
            File.Copy(Path.Combine(_material.BaseFolder, name), Path.Combine(folder, name), overwrite: true);
        return base.Read(folder);
    }
}
