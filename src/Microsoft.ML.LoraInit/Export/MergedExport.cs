using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Export;

/// <summary>Writes a merged model as a folder of the Hugging Face layout.</summary>
internal static class MergedExport
{
    private const string TokenizerConfig = "tokenizer_config.json";
    private const string SpecialTokens = "special_tokens_map.json";

    private static readonly JsonSerializerOptions Format = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <exception cref="NotSupportedException">The model has bottlenecks.</exception>
    /// <exception cref="InvalidDataException">The base has changed.</exception>
    /// <exception cref="IOException">The folder is not empty or cannot be written.</exception>
    public static void Write(string folder, FineTunedModel model)
    {
        if (model.State.HasBottlenecks)
            throw new NotSupportedException($"The model was trained by the method '{model.State.Method.Name}'; its bottlenecks stay beside the weights, and a plain RoBERTa has no place for them. Keep it as an .mlnet file, or write it as an ONNX model.");
        using var files = model.OpenBase();
        var rule = model.ModelSettings.Tokenizer ?? TokenizerRule.Plain;
        using var scope = NewDisposeScope();
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        var merged = model.State.MergedWeights(weights, CPU, ScalarType.Float32);
        try
        {
            var written = new Dictionary<string, Tensor>(merged, StringComparer.Ordinal);
            HeadTemperature.Fold(written, model.ModelSettings.Scores.Calibration.Temperature);
            AtomicFolder.Write(folder, temporary =>
            {
                Text(temporary, CheckpointNames.Config, Config(files.ConfigJson, model));
                WriteTokenizer(temporary, files, rule);
                WriteCard(temporary, model, isAdapter: false);
                SafetensorsWriter.Write(Path.Combine(temporary, CheckpointNames.Weights), written, PeftNames.Metadata);
            });
        }
        finally
        {
            foreach (var tensor in merged.Values)
                tensor.Dispose();
        }
    }

    /// <summary>Writes the tokenizer's files into a folder: the base's vocabulary, and the model's own rule.</summary>
    public static void WriteTokenizer(string folder, CheckpointFiles files, TokenizerRule rule)
    {
        foreach (var name in files.VocabularyNames)
            Copy(folder, name, files.OpenVocabulary(name));
        Text(folder, TokenizerConfig, Tokenizer(files.Config, rule));
        Text(folder, SpecialTokens, Specials(rule));
    }

    /// <summary>Writes the model card into a folder.</summary>
    public static void WriteCard(string folder, FineTunedModel model, bool isAdapter) =>
        AtomicFile.Write(Path.Combine(folder, ModelCard.FileName), stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(ModelCard.Write(model, isAdapter))));

    private static JsonObject Config(string baseConfig, FineTunedModel model)
    {
        var config = Core.UntrustedJson.Object(baseConfig, Core.JsonSource.File(CheckpointNames.Config));
        var (labels, problem) = Task(model.ModelSettings.Scores.Task);
        config["architectures"] = new JsonArray($"{ClassName(model.State.Config.ModelType)}ForSequenceClassification");
        // Python takes the number of labels from id2label.
        config["id2label"] = new JsonObject(labels.Select((l, i) => KeyValuePair.Create(i.ToString(System.Globalization.CultureInfo.InvariantCulture), (JsonNode?)JsonValue.Create(l))));
        config["label2id"] = new JsonObject(labels.Select((l, i) => KeyValuePair.Create(l, (JsonNode?)JsonValue.Create(i))));
        config["problem_type"] = problem;
        config.Remove("num_labels");
        config.Remove("torch_dtype");
        config["dtype"] = "float32";
        return config;
    }

    /// <summary>The outputs' names, and what transformers calls the task: it decides which function its pipelines put on the logits.</summary>
    private static (IReadOnlyList<string> Labels, string? Problem) Task(TextTask task) => task switch
    {
        MulticlassTask multiclass => (multiclass.ClassNames ?? Numbered(task.OutputCount), "single_label_classification"),
        MultiLabelTask labels => (labels.LabelNames ?? Numbered(task.OutputCount), "multi_label_classification"),
        BinaryTask => (["true"], "multi_label_classification"),
        RegressionTask => (Numbered(1), "regression"),
        _ => (Numbered(task.OutputCount), null),
    };

    private static string[] Numbered(int count) => [.. Enumerable.Range(0, count).Select(i => $"LABEL_{i}")];

    /// <summary>What transformers' classes for such a model begin with.</summary>
    private static string ClassName(RobertaModelType type) => type switch
    {
        RobertaModelType.XlmRoberta => "XLMRoberta",
        RobertaModelType.Camembert => "Camembert",
        _ => "Roberta",
    };

    private static JsonObject Tokenizer(RobertaConfig config, TokenizerRule rule)
    {
        var settings = Specials(rule);
        settings["add_prefix_space"] = rule.AddPrefixSpace;
        if (rule.SpecialTokensAsText)
            settings["split_special_tokens"] = true;
        if (rule.Tokens.Count > 0)
            settings["added_tokens_decoder"] = new JsonObject(rule.Tokens.Select(t => KeyValuePair.Create(t.Id.ToString(System.Globalization.CultureInfo.InvariantCulture), (JsonNode?)Added(t))));
        settings["model_max_length"] = config.MaxLength;
        settings["tokenizer_class"] = $"{ClassName(config.ModelType)}Tokenizer";
        if (config.ModelType == RobertaModelType.Roberta)
        {
            settings["errors"] = "replace";
            settings["trim_offsets"] = true;
        }
        return settings;
    }

    private static JsonObject Specials(TokenizerRule rule) =>
        new(rule.Names.OrderBy(n => n.Key, StringComparer.Ordinal).Select(n => KeyValuePair.Create(n.Key, (JsonNode?)JsonValue.Create(n.Value))));

    private static JsonObject Added(AddedToken token) => new()
    {
        ["content"] = token.Content,
        ["lstrip"] = token.LStrip,
        ["normalized"] = token.Normalized,
        ["rstrip"] = token.RStrip,
        ["single_word"] = token.SingleWord,
        ["special"] = token.Special,
    };

    private static void Text(string folder, string name, JsonObject json) =>
        AtomicFile.Write(Path.Combine(folder, name), stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(json.ToJsonString(Format) + "\n")));

    private static void Copy(string folder, string name, Stream content)
    {
        using (content)
            AtomicFile.Write(Path.Combine(folder, name), content.CopyTo);
    }
}
