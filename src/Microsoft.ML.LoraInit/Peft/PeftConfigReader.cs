using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Peft;

/// <summary>
/// Reads an <c>adapter_config.json</c> of huggingface/peft (fields and defaults: tuners/lora/config.py) and refuses by
/// name whatever would make the adapter compute something else than LoRA or DoRA over the untouched base.
/// </summary>
internal static class PeftConfigReader
{
    private const string SequenceClassification = "SEQ_CLS";

    // Read below, or of no consequence for a trained adapter.
    private static readonly HashSet<string> Known =
    [
        "peft_type", "task_type", "r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora", "target_modules", "exclude_modules",
        "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "bias", "fan_in_fan_out", "modules_to_save",
        "init_lora_weights", "base_model_name_or_path", "revision",
        "auto_mapping", "inference_mode", "peft_version", "loftq_config", "eva_config", "corda_config", "lora_ga_config",
        "megatron_config", "megatron_core", "qalora_group_size", "runtime_config", "ensure_weight_tying",
    ];

    // Starts that leave a changed base behind: loading such an adapter over the untouched one computes something else.
    private static readonly string[] ChangedBases = ["pissa", "olora", "corda", "lora_ga", "loftq"];

    // Other modules that a sequence classifier may have trained in full; RoBERTa's head is called classifier.
    private static readonly string[] Heads = ["classifier", "score"];

    /// <param name="json">The file's text.</param>
    /// <param name="source">What error messages call the file.</param>
    /// <exception cref="InvalidDataException">Not valid JSON, or a setting that is not supported; the message names the key.</exception>
    public static PeftConfig Parse(string json, string source)
    {
        JsonObject parsed;
        try
        {
            parsed = JsonNode.Parse(json, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject
                ?? throw new InvalidDataException($"'{source}' is not an adapter's configuration: it holds no JSON object.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{source}' is not valid JSON: {e.Message}", e);
        }
        try
        {
            return Read(new JsonKeys(parsed, source));
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"'{source}': {e.Message}", e);
        }
    }

    private static PeftConfig Read(JsonKeys keys)
    {
        CheckSupported(keys);
        return new()
        {
            Settings = new()
            {
                Rank = keys.Integer("r", 8),
                Alpha = keys.Number("lora_alpha", 8),
                RankStabilized = keys.Flag("use_rslora"),
                Dropout = keys.Number("lora_dropout", 0),
                UseDora = keys.Flag("use_dora"),
                TargetModules = Modules(keys, "target_modules") ?? throw keys.Bad("target_modules", "is missing", "an adapter file must say which layers it is for"),
                LayersToTransform = keys.List<int>("layers_to_transform", "a layer's number or a list of them") is { Length: > 0 } layers ? layers : null,
                RankPattern = keys.Map<int>("rank_pattern", "an integer"),
                AlphaPattern = keys.Map<double>("alpha_pattern", "a number"),
            },
            Exclude = Modules(keys, "exclude_modules"),
            BaseModel = keys.Text("base_model_name_or_path"),
            Revision = keys.Text("revision"),
            TaskType = keys.Text("task_type"),
        };
    }

    private static TargetModules? Modules(JsonKeys keys, string key)
    {
        if (keys.IsEmpty(key))
            return null;
        if (keys.IsText(key))
            return keys.Text(key) == "all-linear" ? TargetModules.AllLinear : TargetModules.Matching(keys.Text(key)!);
        return TargetModules.Named(keys.List<string>(key, "a list of names or a regular expression")!);
    }

    private static void CheckSupported(JsonKeys keys)
    {
        if (keys.Text("peft_type") is not "LORA")
            throw keys.Bad("peft_type", $"is {keys.Raw("peft_type")}", "only LORA adapters (DoRA and rsLoRA among them) are read");
        if (keys.Text("task_type") is not (null or SequenceClassification or "FEATURE_EXTRACTION") and var task)
            throw keys.Bad("task_type", $"is '{task}'", $"only adapters for sequence classification ({SequenceClassification}) are read");
        if (keys.Text("bias") is not (null or "none"))
            throw keys.Bad("bias", $"is {keys.Raw("bias")}", "adapters that train biases too are not supported; only 'none' is");
        if (keys.Flag("fan_in_fan_out"))
            throw keys.Bad("fan_in_fan_out", "is true", "RoBERTa's weights are stored as [out, in]");
        if (keys.Has("init_lora_weights") && keys.IsText("init_lora_weights") && keys.Text("init_lora_weights") is { } start
            && ChangedBases.Any(c => start.StartsWith(c, StringComparison.OrdinalIgnoreCase)))
            throw keys.Bad("init_lora_weights", $"is '{start}', which changed the base weights", "save the adapter in Python with path_initial_model_for_weight_conversion, which makes it a plain LoRA over the untouched base");
        foreach (var module in keys.List<string>("modules_to_save", "a list of names") ?? [])
            if (!Heads.Contains(module))
                throw keys.Bad("modules_to_save", $"names '{module}'", "only RoBERTa's classification head ('classifier') may be trained in full beside the adapters");
        foreach (var pattern in keys.List<string>("layers_pattern", "a name or a list of names") ?? [])
            if (pattern is not ("layer" or ""))
                throw keys.Bad("layers_pattern", $"names '{pattern}'", "RoBERTa's layers are numbered below 'layer'");
        foreach (var key in keys.Names)
            if (!Known.Contains(key) && !keys.IsEmpty(key))
                throw keys.Bad(key, $"is {keys.Raw(key)}", "this setting is not supported, and leaving it out could change what the adapter computes");
    }
}
