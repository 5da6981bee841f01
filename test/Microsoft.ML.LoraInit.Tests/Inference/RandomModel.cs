using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inference;

/// <summary>A RoBERTa with weights drawn from a seed, large enough that every part of it shows in the logits.</summary>
internal static class RandomModel
{
    public const int Outputs = 3;

    public static RobertaConfig Config { get; } = new()
    {
        VocabularySize = 100,
        HiddenSize = 32,
        Layers = 3,
        Heads = 4,
        IntermediateSize = 64,
        MaxPositions = 66,
    };

    /// <summary>Every weight of encoder and head; the caller owns them.</summary>
    public static Dictionary<string, Tensor> Weights(RobertaConfig config, int seed = 0, ScalarType type = ScalarType.Float32)
    {
        using var generator = new Generator((ulong)seed);
        var weights = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        long hidden = config.HiddenSize;
        Add("roberta.embeddings.word_embeddings.weight", config.VocabularySize, hidden);
        Add("roberta.embeddings.position_embeddings.weight", config.MaxPositions, hidden);
        Add("roberta.embeddings.token_type_embeddings.weight", config.TypeVocabularySize, hidden);
        Norm("roberta.embeddings.LayerNorm");
        for (int i = 0; i < config.Layers; i++)
        {
            var layer = $"roberta.encoder.layer.{i}";
            foreach (var projection in (string[])["query", "key", "value"])
                Linear($"{layer}.attention.self.{projection}", hidden, hidden);
            Linear($"{layer}.attention.output.dense", hidden, hidden);
            Norm($"{layer}.attention.output.LayerNorm");
            Linear($"{layer}.intermediate.dense", config.IntermediateSize, hidden);
            Linear($"{layer}.output.dense", hidden, config.IntermediateSize);
            Norm($"{layer}.output.LayerNorm");
        }
        Linear("classifier.dense", hidden, hidden);
        Linear("classifier.out_proj", Outputs, hidden);
        return weights;

        void Linear(string name, long rows, long columns)
        {
            Add($"{name}.weight", rows, columns);
            Add($"{name}.bias", rows);
        }

        void Norm(string name)
        {
            Add($"{name}.weight", hidden);
            Add($"{name}.bias", hidden);
            using var scope = NewDisposeScope();
            weights[$"{name}.weight"].add_(1);
        }

        void Add(string name, params long[] shape)
        {
            using var scope = NewDisposeScope();
            double scale = shape.Length == 2 ? 1.5 / Math.Sqrt(shape[1]) : 0.1;
            weights[name] = empty(shape).normal_(0, scale, generator).to(type).DetachFromDisposeScope();
        }
    }

    /// <summary>The training model over the same weights, of which it gets copies.</summary>
    public static RobertaClassifier Classifier(RobertaConfig config, IReadOnlyDictionary<string, Tensor> weights)
    {
        var copies = weights.ToDictionary(w => w.Key, w => w.Value.clone().DetachFromDisposeScope());
        var encoder = copies.Where(w => w.Key.StartsWith("roberta.", StringComparison.Ordinal)).ToDictionary();
        var head = copies.Where(w => !encoder.ContainsKey(w.Key)).ToDictionary();
        using var lease = new BaseWeights(config, new BaseIdentity("random", ""), encoder);
        return new RobertaClassifier(lease, Outputs, head);
    }

    /// <summary>Bottlenecks for every layer, by name; the caller owns them.</summary>
    public static Dictionary<string, Tensor> Bottlenecks(RobertaConfig config, long size)
    {
        using var generator = new Generator(9);
        var weights = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var (name, place) in Enumerable.Range(0, config.Layers).SelectMany(i => Enum.GetValues<BottleneckPlace>().Select(place => (BottleneckAdapter.NameOf(i, place), place))))
        {
            weights[$"{name}.down.weight"] = empty(size, config.HiddenSize).normal_(0, 0.3, generator).DetachFromDisposeScope();
            weights[$"{name}.down.bias"] = empty(size).normal_(0, 0.3, generator).DetachFromDisposeScope();
            weights[$"{name}.up.weight"] = empty(config.HiddenSize, size).normal_(0, 0.3, generator).DetachFromDisposeScope();
            weights[$"{name}.up.bias"] = empty(config.HiddenSize).normal_(0, 0.3, generator).DetachFromDisposeScope();
            if (place != BottleneckPlace.Layer)
                continue;
            weights[$"{name}.norm.weight"] = empty(config.HiddenSize).normal_(1, 0.3, generator).DetachFromDisposeScope();
            weights[$"{name}.norm.bias"] = empty(config.HiddenSize).normal_(0, 0.3, generator).DetachFromDisposeScope();
        }
        return weights;
    }

    /// <summary>Rows of many lengths.</summary>
    public static EncodedText[] Texts(int count, RobertaConfig config, int seed = 0)
    {
        var random = new SeededRandom((ulong)seed);
        return [.. Enumerable.Range(0, count).Select(_ => new EncodedText(
            [0, .. Enumerable.Range(0, random.Next(config.MaxLength - 1)).Select(_ => 3 + random.Next(config.VocabularySize - 3)), 2]))];
    }
}
