using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization;

namespace Microsoft.ML.LoraInit.Persistence;

/// <summary>A <see cref="FineTunedDescription"/> as files and reports have it; one that is read may come from a damaged file.</summary>
internal static class DescriptionJson
{
    private const string MethodKey = "method";
    private const string InitializationKey = "initialization";
    private const string AdaptersKey = "adapters";
    private const string QuantizationKey = "baseQuantization";
    private const string OptimizerKey = "optimizer";
    private const string ClassWeightsKey = "classWeights";
    private const string Nf4 = "nf4";

    private static readonly HashSet<string> Members = [MethodKey, InitializationKey, AdaptersKey, QuantizationKey, OptimizerKey, ClassWeightsKey];

    private static readonly JsonSource Source = new("The model's description", "Get or save the model again.");

    private static readonly JsonSource AdapterSource = new("The model's description of an adapter", "Get or save the model again.");

    private static readonly JsonSerializerOptions AdapterOptions = UntrustedJson.Strict(new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
    });

    // What tells readers of a file how the training went decides nothing: what is new in it, or has a new name, is let by.
    private static readonly JsonSerializerOptions OptimizerOptions = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
    };

    /// <summary>A state's description as its file has it, or as one is written of it. The caller's own.</summary>
    public static JsonObject Of(FineTunedState state) => state.Stored is { } text ? JsonNode.Parse(text)!.AsObject() : Write(state.Description);

    /// <summary>The description that this library writes.</summary>
    public static JsonObject Write(FineTunedDescription description)
    {
        var json = new JsonObject
        {
            [QuantizationKey] = description.BaseQuantization == BaseQuantization.None ? null : Nf4,
            [OptimizerKey] = description.Optimizer is null ? null : JsonSerializer.SerializeToNode(description.Optimizer, OptimizerOptions),
            [MethodKey] = description.Method.ToJson(),
            [InitializationKey] = description.Initialization is null ? null : InitializationRegistry.ToJson(description.Initialization),
            [AdaptersKey] = new JsonArray([.. description.Adapters.Select(a => JsonSerializer.SerializeToNode(a, AdapterOptions)!)]),
        };
        if (description.ClassWeights is { } weights)
            json[ClassWeightsKey] = ToJson(weights);
        return json;
    }

    /// <exception cref="InvalidDataException">Something is missing, unknown or of the wrong kind.</exception>
    public static FineTunedDescription Read(JsonObject json)
    {
        if (json.Select(m => m.Key).FirstOrDefault(m => !Members.Contains(m)) is { } unknown)
            throw Source.Bad(unknown, "is a member that this library does not know");
        if (json[MethodKey] is not JsonObject method)
            throw Source.Bad(MethodKey, "is missing or no object");
        if (json[AdaptersKey] is not JsonArray adapters)
            throw new InvalidDataException($"The model's description has no list '{AdaptersKey}'.");
        var known = UntrustedJson.Guard(Source, () => FineTuningMethodRegistry.FromJson(method));
        return new()
        {
            Method = known,
            Initialization = json[InitializationKey] is { } start ? UntrustedJson.Guard(Source, () => InitializationRegistry.FromJson(start.AsObject())) : null,
            Adapters = [.. adapters.Select(a => Adapter(a, known))],
            BaseQuantization = Quantization(json[QuantizationKey]),
            Optimizer = Optimizer(json[OptimizerKey]),
            ClassWeights = ClassWeightsOf(json[ClassWeightsKey]),
        };
    }

    private static AdapterDescription Adapter(JsonNode? json, FineTuningMethod method)
    {
        var adapter = UntrustedJson.Read<AdapterDescription>(json, AdapterSource, AdapterOptions);
        return method.Kind(adapter.Kind) is not null ? adapter
            : throw AdapterSource.Bad("kind", $"is '{adapter.Kind}', a kind that the method '{method.Name}' does not have");
    }

    private static BaseQuantization Quantization(JsonNode? json) => json switch
    {
        null => BaseQuantization.None,
        JsonValue value when value.TryGetValue(out string? kind) && kind == Nf4 => BaseQuantization.Nf4,
        var other => throw new InvalidDataException($"The model's description has the unknown '{QuantizationKey}' {other.ToJsonString()}."),
    };

    private static OptimizerDescription? Optimizer(JsonNode? json)
    {
        try
        {
            return json?.Deserialize<OptimizerDescription>(OptimizerOptions);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static ClassWeights? ClassWeightsOf(JsonNode? json)
    {
        try
        {
            return json switch
            {
                JsonObject weights => ClassWeights.PerClass(weights.ToDictionary(w => w.Key, w => (double?)w.Value ?? double.NaN)),
                JsonValue value when value.TryGetValue(out string? name) => Array.Find([ClassWeights.None, ClassWeights.Balanced], w => w.ToString() == name),
                _ => null,
            };
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    private static JsonNode ToJson(ClassWeights weights) => weights is ExplicitClassWeights explicitly
        ? new JsonObject(explicitly.Weights.Select(w => KeyValuePair.Create(w.Key, (JsonNode?)JsonValue.Create(w.Value))))
        : weights.ToString();
}
