using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;

namespace Microsoft.ML.LoraInit.Peft;

/// <summary>Writes an <c>adapter_config.json</c> with the fields that PEFT 0.21 writes, in its order.</summary>
internal static class PeftConfigWriter
{
    // The version whose fields these are.
    private const string PeftVersion = "0.21.0";

    private static readonly JsonSerializerOptions Format = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Write(PeftConfig config) => (config.Family is null ? ToJson(config) : FamilyJson(config)).ToJsonString(Format);

    // The members that every type has, and the type's own.
    private static JsonObject FamilyJson(PeftConfig config)
    {
        var family = PeftFamily.Of(config.Family!.Method)!;
        var json = family.Write(config);
        json["auto_mapping"] = null;
        json["base_model_name_or_path"] = config.BaseModel;
        json["exclude_modules"] = config.Exclude is null ? null : Modules(config.Exclude);
        json["inference_mode"] = true;
        json["layers_pattern"] = null;
        json["layers_to_transform"] = Layers(config.Settings);
        json["modules_to_save"] = new JsonArray("classifier", "score");
        json["peft_type"] = family.Type;
        json["peft_version"] = PeftVersion;
        json["revision"] = config.Revision;
        json["target_modules"] = Modules(config.Settings.TargetModules);
        json["task_type"] = config.TaskType;
        return new(json.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => KeyValuePair.Create(m.Key, m.Value?.DeepClone())));
    }

    private static JsonObject ToJson(PeftConfig config)
    {
        var settings = config.Settings;
        return new JsonObject
        {
            ["alora_invocation_tokens"] = null,
            ["alpha_pattern"] = Map(settings.AlphaPattern),
            ["arrow_config"] = null,
            ["auto_mapping"] = null,
            ["base_model_name_or_path"] = config.BaseModel,
            ["bias"] = config.Bias switch { LoraBias.All => "all", LoraBias.LoraOnly => "lora_only", _ => "none" },
            ["corda_config"] = null,
            ["ensure_weight_tying"] = false,
            ["eva_config"] = null,
            ["exclude_modules"] = config.Exclude is null ? null : Modules(config.Exclude),
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            // Not how the training started: the value that leaves the base alone when the adapter is loaded.
            ["init_lora_weights"] = true,
            ["kasa_config"] = null,
            ["layer_replication"] = null,
            ["layers_pattern"] = null,
            ["layers_to_transform"] = Layers(settings),
            ["loftq_config"] = new JsonObject(),
            ["lora_alpha"] = settings.Alpha,
            ["lora_bias"] = false,
            ["lora_dropout"] = settings.Dropout,
            ["lora_ga_config"] = null,
            ["megatron_config"] = null,
            ["megatron_core"] = "megatron.core",
            ["modules_to_save"] = new JsonArray("classifier", "score"),
            ["monteclora_config"] = null,
            ["peft_type"] = "LORA",
            ["peft_version"] = PeftVersion,
            ["qalora_group_size"] = 16,
            ["r"] = settings.Rank,
            ["rank_pattern"] = Map(settings.RankPattern),
            ["revision"] = config.Revision,
            ["target_modules"] = Modules(settings.TargetModules),
            ["target_parameters"] = null,
            ["task_type"] = config.TaskType,
            ["trainable_token_indices"] = null,
            ["use_bdlora"] = null,
            ["use_dora"] = settings.UseDora,
            ["use_qalora"] = false,
            ["use_rslora"] = settings.RankStabilized,
            ["velora_config"] = null,
        };
    }

    private static JsonNode Modules(TargetModules modules) => modules.Names is { } names
        ? new JsonArray([.. names.Select(n => JsonValue.Create(n))])
        : JsonValue.Create(modules.Expression ?? modules.Description);

    private static JsonArray? Layers(AdapterSettings settings) =>
        settings.LayersToTransform is { } layers ? new JsonArray([.. layers.Select(l => JsonValue.Create(l))]) : null;

    /// <summary>rank_pattern or alpha_pattern.</summary>
    public static JsonObject Map<T>(IReadOnlyDictionary<string, T> pattern) =>
        new(pattern.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)JsonValue.Create(p.Value))));
}
