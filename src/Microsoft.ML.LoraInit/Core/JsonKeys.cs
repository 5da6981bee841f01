using System.Text.Json.Nodes;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>Reads the keys of a JSON object from a file of unknown origin; what does not fit is refused by file and key.</summary>
internal sealed class JsonKeys(JsonObject json, string source)
{
    public IEnumerable<string> Names => json.Select(p => p.Key);

    /// <summary>Whether a key is there with something other than null.</summary>
    public bool Has(string key) => json[key] is not null;

    /// <summary>Whether a key is absent, null, false, or an empty list, object or text: nothing is asked for.</summary>
    public bool IsEmpty(string key) => json[key] switch
    {
        null => true,
        JsonArray array => array.Count == 0,
        JsonObject map => map.Count == 0,
        JsonValue value => (value.TryGetValue<bool>(out var flag) && !flag) || (value.TryGetValue<string>(out var text) && text.Length == 0),
        _ => false,
    };

    public bool Flag(string key) => Has(key) && Value<bool>(key, json[key], "true or false");

    public string? Text(string key) => Has(key) ? Value<string>(key, json[key], "a text") : null;

    public int Integer(string key, int otherwise) => Has(key) ? Value<int>(key, json[key], "an integer") : otherwise;

    public double Number(string key, double otherwise) => Has(key) ? Value<double>(key, json[key], "a number") : otherwise;

    /// <summary>A list, or one value that stands for a list of it; null where the key is absent.</summary>
    public T[]? List<T>(string key, string what) => json[key] switch
    {
        null => null,
        JsonArray array => [.. array.Select(item => Value<T>(key, item, what))],
        var single => [Value<T>(key, single, what)],
    };

    public Dictionary<string, T> Map<T>(string key, string what) => json[key] switch
    {
        null => [],
        JsonObject map => map.ToDictionary(p => p.Key, p => Value<T>($"{key}.{p.Key}", p.Value, what), StringComparer.Ordinal),
        _ => throw Bad(key, "is no object", "give a JSON object"),
    };

    /// <summary>An object of lists; empty where the key is absent.</summary>
    public Dictionary<string, T[]> Lists<T>(string key, string what) => json[key] switch
    {
        null => [],
        JsonObject map => map.ToDictionary(p => p.Key, p => p.Value is JsonArray list
            ? list.Select(item => Value<T>($"{key}.{p.Key}", item, what)).ToArray()
            : throw Bad($"{key}.{p.Key}", "is no list", $"expected {what}"), StringComparer.Ordinal),
        _ => throw Bad(key, "is no object", "give a JSON object"),
    };

    /// <summary>Whether the key holds a text.</summary>
    public bool IsText(string key) => json[key] is JsonValue value && value.TryGetValue<string>(out _);

    /// <summary>The value as it stands, for messages.</summary>
    public string Raw(string key) => json[key]?.ToJsonString() ?? "null";

    public InvalidDataException Bad(string key, string found, string advice) => new($"'{source}': '{key}' {found}; {advice}.");

    private T Value<T>(string key, JsonNode? node, string what)
    {
        if (node is JsonValue value && value.TryGetValue<T>(out var result))
            return result;
        // A whole number may be written 16.0, and a real one 16.
        if (node is JsonValue number && number.TryGetValue<double>(out var real))
        {
            if (typeof(T) == typeof(double))
                return (T)(object)real;
            if (typeof(T) == typeof(int) && real == Math.Truncate(real) && Math.Abs(real) <= int.MaxValue)
                return (T)(object)(int)real;
        }
        throw Bad(key, $"is {node?.ToJsonString() ?? "null"}", $"expected {what}");
    }
}
