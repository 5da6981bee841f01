using System.Text.Json;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>
/// Reads a <c>config.json</c> of <c>model_type</c> roberta, xlm-roberta or camembert (base, large, distilled, …) as huggingface/transformers
/// writes it, and refuses what this library does not compute.
/// </summary>
internal static class RobertaConfigReader
{
    private static readonly (string Name, RobertaModelType Type)[] ModelTypes =
        [("roberta", RobertaModelType.Roberta), ("xlm-roberta", RobertaModelType.XlmRoberta), ("camembert", RobertaModelType.Camembert)];

    // Far above any model, far below what would exhaust memory: the file may come from anywhere.
    private const int MaxSize = 16_777_216;
    private const int MaxLayers = 1024;

    // What is less is 0 in fp32, and a constant row then divides by it.
    private const double LeastEpsilon = 1e-30;

    /// <param name="json">The file's text.</param>
    /// <param name="source">What error messages call the file.</param>
    /// <exception cref="InvalidDataException">Not valid JSON, a key missing or out of range, or not a RoBERTa; the message names the key.</exception>
    public static RobertaConfig Parse(string json, string source)
    {
        using var document = UntrustedJson.Document(json, JsonSource.File(source));
        return Read(new Keys(document.RootElement, source));
    }

    private static RobertaConfig Read(Keys keys)
    {
        var type = ModelTypes[keys.OneOf("model_type", Array.ConvertAll(ModelTypes, t => t.Name))].Type;
        keys.MustBe("hidden_act", "gelu");
        keys.MustBe("position_embedding_type", "absolute");
        keys.MustNotBeTrue("is_decoder");
        keys.MustNotBeTrue("add_cross_attention");
        if (keys.Has("quantization_config"))
            throw keys.Bad("quantization_config", "is present", "quantised checkpoints are not supported; use one in fp32, fp16 or bf16");

        var hiddenDropout = keys.Probability("hidden_dropout_prob", 0.1);
        var config = new RobertaConfig
        {
            ModelType = type,
            VocabularySize = keys.Integer("vocab_size", 1, MaxSize),
            HiddenSize = keys.Integer("hidden_size", 1, MaxSize),
            Layers = keys.Integer("num_hidden_layers", 1, MaxLayers),
            Heads = keys.Integer("num_attention_heads", 1, MaxSize),
            IntermediateSize = keys.Integer("intermediate_size", 1, MaxSize),
            MaxPositions = keys.Integer("max_position_embeddings", 1, MaxSize),
            TypeVocabularySize = keys.Integer("type_vocab_size", 1, MaxSize),
            LayerNormEps = keys.Number("layer_norm_eps", LeastEpsilon, 1, null),
            HiddenDropout = hiddenDropout,
            AttentionDropout = keys.Probability("attention_probs_dropout_prob", 0.1),
            ClassifierDropout = keys.Probability("classifier_dropout", hiddenDropout),
            InitializerRange = keys.Number("initializer_range", 0, 10, 0.02),
            BosTokenId = keys.Integer("bos_token_id", 0, MaxSize, 0),
            PadTokenId = keys.Integer("pad_token_id", 0, MaxSize, 1),
            EosTokenId = keys.Integer("eos_token_id", 0, MaxSize, 2),
        };
        Check(config, keys);
        return config;
    }

    private static void Check(RobertaConfig config, Keys keys)
    {
        if (config.HiddenSize % config.Heads != 0)
            throw keys.Bad("num_attention_heads", $"is {config.Heads}", $"it must divide hidden_size, {config.HiddenSize}");
        foreach (var (key, id) in new[] { ("bos_token_id", config.BosTokenId), ("pad_token_id", config.PadTokenId), ("eos_token_id", config.EosTokenId) })
            if (id >= config.VocabularySize)
                throw keys.Bad(key, $"is {id}", $"it must be below vocab_size, {config.VocabularySize}");
        // Two special tokens and one of text are the least that makes a row.
        if (config.MaxLength < 3)
            throw keys.Bad("max_position_embeddings", $"is {config.MaxPositions}", $"with pad_token_id {config.PadTokenId} that leaves room for {config.MaxLength} tokens");
    }

    /// <summary>Typed access to the configuration's keys; every error names file, key, what was found and what is expected.</summary>
    private sealed class Keys(JsonElement root, string source)
    {
        public bool Has(string key) => Find(key) is not null;

        public InvalidDataException Bad(string key, string found, string expected) =>
            new($"'{source}' cannot be used: '{key}' {found}; {expected}.");

        /// <summary>Which of some names the key has.</summary>
        public int OneOf(string key, string[] names)
        {
            var listed = $"'{string.Join("', '", names[..^1])}' and '{names[^1]}'";
            if (Find(key) is not { } value)
                throw Bad(key, "is missing", $"one of {listed} is expected");
            return value.ValueKind == JsonValueKind.String && Array.IndexOf(names, value.GetString()) is >= 0 and var index ? index
                : throw Bad(key, $"is {value.GetRawText()}", $"{listed} are supported");
        }

        public void MustBe(string key, string expected)
        {
            if (Find(key) is not { } value)
                return;
            if (value.ValueKind != JsonValueKind.String || value.GetString() != expected)
                throw Bad(key, $"is {value.GetRawText()}", $"only '{expected}' is supported");
        }

        public void MustNotBeTrue(string key)
        {
            if (Find(key) is { ValueKind: not JsonValueKind.False } value)
                throw Bad(key, $"is {value.GetRawText()}", "only encoders are supported (false)");
        }

        public int Integer(string key, int least, int most, int? fallback = null)
        {
            if (Find(key) is not { } value)
                return fallback ?? throw Bad(key, "is missing", "a whole number is expected");
            return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= most
                ? number
                : throw Bad(key, $"is {value.GetRawText()}", $"a whole number from {least} to {most} is expected");
        }

        public double Number(string key, double least, double most, double? fallback)
        {
            if (Find(key) is not { } value)
                return fallback ?? throw Bad(key, "is missing", "a number is expected");
            return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= least && number <= most
                ? number
                : throw Bad(key, $"is {value.GetRawText()}", least == LeastEpsilon ? $"a number above 0 and up to {most} is expected" : $"a number from {least} to {most} is expected");
        }

        public double Probability(string key, double fallback)
        {
            var value = Number(key, 0, 1, fallback);
            return value < 1 ? value : throw Bad(key, "is 1", "a number from 0 to below 1 is expected");
        }

        private JsonElement? Find(string key) =>
            root.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }
}
