using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Peft;

/// <summary>
/// Reads an <c>adapter_config.json</c> of huggingface/peft (fields and defaults: tuners/lora/config.py) and refuses by
/// name whatever would make the adapter compute something else than LoRA or DoRA over the untouched base.
/// </summary>
internal static class PeftConfigReader
{
    private const string SequenceClassification = "SEQ_CLS";

    // Other settings of tuners/lora/config.py by which an adapter computes something else; what is in neither list has no
    // consequence for a trained adapter, or is newer than this library and leaves tensors that are refused by their names.
    private static readonly string[] ChangesComputation =
    [
        "alora_invocation_tokens", "arrow_config", "kasa_config", "layer_replication", "lora_bias", "monteclora_config",
        "target_parameters", "trainable_token_indices", "use_bdlora", "use_qalora", "velora_config",
    ];

    // Starts that leave a changed base behind: loading such an adapter over the untouched one computes something else.
    private static readonly string[] ChangedBases = ["pissa", "olora", "corda", "lora_ga", "loftq"];

    // Other modules that a sequence classifier may have trained in full; RoBERTa's head is called classifier and has two parts.
    private static readonly string[] Heads = ["classifier", "score", "classifier.dense", "classifier.out_proj", "out_proj"];

    // Messages name the file's keys.
    private static readonly AdapterSettingNames Names = new()
    {
        Rank = "r",
        Alpha = "lora_alpha",
        Dropout = "lora_dropout",
        TargetModules = "target_modules",
        ExcludeModules = "exclude_modules",
        LayersToTransform = "layers_to_transform",
        RankPattern = "rank_pattern",
        AlphaPattern = "alpha_pattern",
    };

    // As tuners_utils.py puts it around each name.
    private const string LayersFrame = @"^.*\.(?:{0})\.(?<LayerNumber>\d+)\.";

    /// <param name="json">The file's text.</param>
    /// <param name="source">What error messages call the file.</param>
    /// <exception cref="InvalidDataException">Not valid JSON, or a setting that is not supported; the message names the key.</exception>
    public static PeftConfig Parse(string json, string source)
    {
        var parsed = UntrustedJson.Object(json, JsonSource.File(source));
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
        var family = PeftFamily.Of(keys.Text("peft_type"));
        CheckSupported(keys, family);
        var budget = new PatternBudget();
        var isAdaLora = family is PeftAdaLora; // whose rank_pattern is of another kind
        var settings = new AdapterSettings
        {
            Rank = keys.Integer("r", 8),
            Alpha = keys.Number("lora_alpha", 8),
            RankStabilized = keys.Flag("use_rslora"),
            Dropout = keys.Number("lora_dropout", 0),
            UseDora = keys.Flag("use_dora"),
            TargetModules = Modules(keys, "target_modules", budget) ?? throw keys.Bad("target_modules", "is missing", "an adapter file must say which layers it is for"),
            LayersToTransform = keys.List<int>("layers_to_transform", "a layer's number or a list of them") is { Length: > 0 } layers ? layers : null,
            // Without numbers the pattern has no effect, as in Python.
            LayersPattern = [.. (keys.List<string>("layers_pattern", "a name or a list of names") ?? []).Where(p => p.Length > 0).Select(p => new LayerPattern(p, LayersFrame, budget))],
            AllowsUnusedPatterns = true,
            PatternBudget = budget,
            Names = Names,
            RankPattern = isAdaLora ? new Dictionary<string, int>() : keys.Map<int>("rank_pattern", "an integer"),
            AlphaPattern = keys.Map<double>("alpha_pattern", "a number"),
        };
        return new()
        {
            Settings = family?.Settings(keys, settings) ?? settings,
            Family = family?.Read(keys),
            Exclude = Modules(keys, "exclude_modules", budget),
            Bias = Biases(keys),
            BaseModel = keys.Text("base_model_name_or_path"),
            Revision = keys.Text("revision"),
            TaskType = keys.Text("task_type"),
        };
    }

    private static TargetModules? Modules(JsonKeys keys, string key, PatternBudget budget)
    {
        if (keys.IsEmpty(key))
            return null;
        if (keys.IsText(key))
            return keys.Text(key) == "all-linear" ? TargetModules.AllLinear : TargetModules.Matching(keys.Text(key)!, budget);
        return TargetModules.Named(keys.List<string>(key, "a list of names or a regular expression")!);
    }

    private static LoraBias Biases(JsonKeys keys) => keys.Text("bias") switch
    {
        null or "none" => LoraBias.None,
        "all" => LoraBias.All,
        "lora_only" => LoraBias.LoraOnly,
        _ => throw keys.Bad("bias", $"is {keys.Raw("bias")}", "the biases that are trained are 'none', 'all' or 'lora_only'"),
    };

    private static void CheckSupported(JsonKeys keys, PeftFamily? family)
    {
        if (family is null && keys.Text("peft_type") is not "LORA")
            throw keys.Bad("peft_type", $"is {keys.Raw("peft_type")}", $"only LORA adapters (DoRA and rsLoRA among them), {string.Join(", ", PeftFamily.Types)} are read");
        if (family is not null && keys.Flag("use_dora"))
            throw keys.Bad("use_dora", "is true", $"{family.Type} has no magnitudes");
        if (family is not null && Biases(keys) != LoraBias.None)
            throw keys.Bad("bias", $"is {keys.Raw("bias")}", $"trained biases are read beside LORA, not beside {family.Type}; only 'none' is");
        if (keys.Text("task_type") is not (null or SequenceClassification or "FEATURE_EXTRACTION") and var task)
            throw keys.Bad("task_type", $"is '{task}'", $"only adapters for sequence classification ({SequenceClassification}) are read");
        if (keys.Flag("fan_in_fan_out"))
            throw keys.Bad("fan_in_fan_out", "is true", "RoBERTa's weights are stored as [out, in]");
        if (keys.Has("init_lora_weights") && keys.IsText("init_lora_weights") && keys.Text("init_lora_weights") is { } start
            && ChangedBases.Any(c => start.StartsWith(c, StringComparison.OrdinalIgnoreCase)))
            throw keys.Bad("init_lora_weights", $"is '{start}', which changed the base weights", "save the adapter in Python with path_initial_model_for_weight_conversion, which makes it a plain LoRA over the untouched base");
        foreach (var module in keys.List<string>("modules_to_save", "a list of names") ?? [])
            if (!Heads.Contains(module))
                throw keys.Bad("modules_to_save", $"names '{module}'", "only RoBERTa's classification head ('classifier') may be trained in full beside the adapters");
        foreach (var key in ChangesComputation)
            if (!keys.IsEmpty(key))
                throw keys.Bad(key, $"is {keys.Raw(key)}", "this setting is not supported, and leaving it out could change what the adapter computes");
    }
}
