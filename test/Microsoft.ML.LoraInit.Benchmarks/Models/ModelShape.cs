using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Models;

/// <summary>Shapes of RoBERTa to measure with random weights: a step's time does not depend on their values.</summary>
internal static class ModelShape
{
    private const double Deviation = 0.02;

    public static readonly string[] Names = ["base", "medium", "mini"];

    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="dropout">Of hidden states, attention and head.</param>
    public static RobertaConfig Config(string name, double dropout)
    {
        var (hidden, layers, heads, vocabulary) = name switch
        {
            "base" => (768, 12, 12, 50265),
            "medium" => (512, 8, 8, 8192),
            "mini" => (256, 4, 4, 8192),
            _ => throw new ArgumentException($"There is no shape '{name}': known are {string.Join(", ", Names)}.", nameof(name)),
        };
        return new()
        {
            VocabularySize = vocabulary,
            HiddenSize = hidden,
            Layers = layers,
            Heads = heads,
            IntermediateSize = 4 * hidden,
            MaxPositions = 514,
            HiddenDropout = dropout,
            AttentionDropout = dropout,
            ClassifierDropout = dropout,
        };
    }

    /// <summary>The encoder with normal weights, gains of 1 and biases of 0, as transformers starts an untrained model; the caller's.</summary>
    public static BaseWeights RandomWeights(string name, double dropout, ScalarType type, Device device) => RandomWeights(name, Config(name, dropout), type, device);

    /// <inheritdoc cref="RandomWeights(string, double, ScalarType, Device)"/>
    public static BaseWeights RandomWeights(string name, RobertaConfig config, ScalarType type, Device device)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var generator = new Generator(1, CPU);
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var (tensor, shape) in EncoderTensors.Expected(config))
        {
            var value = shape.Length == 2 ? empty(shape).normal_(0, Deviation, generator)
                : tensor.EndsWith("LayerNorm.weight", StringComparison.Ordinal) ? ones(shape) : zeros(shape);
            tensors.Add(tensor, value.to(type).to(device).DetachFromDisposeScope());
        }
        return new BaseWeights(config, new BaseIdentity($"random {name}", new string('0', 64)), tensors);
    }

    /// <summary>Writes such a model in the Hugging Face layout, with the vocabulary of another folder, and embeddings for all of it.</summary>
    public static void Write(string name, double dropout, string vocabularyFolder, string folder) =>
        Write(name, dropout, vocabularyFolder, folder, Math.Max(Config(name, dropout).VocabularySize, Ids(vocabularyFolder)), "roberta", ScalarType.Float16);

    /// <summary>Writes such a model of any kind and vocabulary.</summary>
    public static void Write(string name, double dropout, string vocabularyFolder, string folder, int vocabulary, string modelType, ScalarType type)
    {
        using var weights = RandomWeights(name, Config(name, dropout) with { VocabularySize = vocabulary }, type, CPU);
        var config = weights.Config;
        Directory.CreateDirectory(folder);
        SafetensorsWriter.Write(Path.Combine(folder, CheckpointNames.Weights), weights.Tensors);
        foreach (var file in VocabularyFiles.Names(modelType == "roberta" ? RobertaModelType.Roberta : RobertaModelType.XlmRoberta))
            File.Copy(Path.Combine(vocabularyFolder, file), Path.Combine(folder, file));
        File.WriteAllText(Path.Combine(folder, CheckpointNames.Config), $$"""
            {
              "model_type": "{{modelType}}", "vocab_size": {{config.VocabularySize}}, "hidden_size": {{config.HiddenSize}}, "num_hidden_layers": {{config.Layers}},
              "num_attention_heads": {{config.Heads}}, "intermediate_size": {{config.IntermediateSize}}, "max_position_embeddings": {{config.MaxPositions}},
              "type_vocab_size": 1, "layer_norm_eps": 1e-05, "hidden_act": "gelu", "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2,
              "hidden_dropout_prob": {{Text(dropout)}}, "attention_probs_dropout_prob": {{Text(dropout)}}, "initializer_range": 0.02
            }
            """);

        static string Text(double value) => value.ToString("R", System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>The ids that a folder's <c>vocab.json</c> needs.</summary>
    private static int Ids(string vocabularyFolder)
    {
        using var stream = File.OpenRead(Path.Combine(vocabularyFolder, TokenizerNames.Vocabulary));
        return VocabularyReader.ReadVocabulary(stream).Values.Max() + 1;
    }
}
