using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Microsoft.ML.LoraInit.Samples.Glue.Runs;

/// <summary>The JSON of run files: snake_case, NaN kept by name, members that it does not know refused.</summary>
internal static class RunJson
{
    public static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    private static readonly JsonSerializerOptions Compact = new(Options) { WriteIndented = false };

    /// <summary>The same text for equal configurations whatever the order of members.</summary>
    public static string Canonical(RunConfig config)
    {
        var node = JsonSerializer.SerializeToNode(config, Compact)!.AsObject();
        return Sorted(node).ToJsonString(Compact);
    }

    private static JsonNode Sorted(JsonObject json)
    {
        var result = new JsonObject();
        foreach (var (key, value) in json.OrderBy(m => m.Key, StringComparer.Ordinal))
            result[key] = value is JsonObject inner ? Sorted(inner) : value?.DeepClone();
        return result;
    }
}
