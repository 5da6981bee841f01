using System.Text.Json;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>A sharded checkpoint's <c>model.safetensors.index.json</c>: which file holds which tensor.</summary>
internal static class ShardIndex
{
    /// <summary>The index's shards.</summary>
    /// <param name="json">The index's text.</param>
    /// <param name="source">What error messages call the file.</param>
    /// <returns>Tensor name → file name in the same folder.</returns>
    /// <exception cref="InvalidDataException">Not a valid index, or one that names anything but files of its own folder.</exception>
    public static IReadOnlyDictionary<string, string> Parse(string json, string source)
    {
        using var document = UntrustedJson.Document(json, JsonSource.File(source));
        if (!document.RootElement.TryGetProperty("weight_map", out var map) || map.ValueKind != JsonValueKind.Object)
            throw new InvalidDataException($"'{source}' has no object 'weight_map'.");
        var shards = map.EnumerateObject().ToDictionary(e => e.Name, e => CheckedName(e, source), StringComparer.Ordinal);
        return shards.Count > 0 ? shards : throw new InvalidDataException($"'{source}' names no tensors.");
    }

    /// <summary>The distinct files in the order of their names, which is the order of their numbers.</summary>
    public static IReadOnlyList<string> Files(IReadOnlyDictionary<string, string> shards) =>
        [.. shards.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    // Only a plain file name: an index may come from anywhere and must not reach outside its folder.
    private static string CheckedName(JsonProperty entry, string source)
    {
        var name = entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString()! : entry.Value.GetRawText();
        bool plain = name.EndsWith(".safetensors", StringComparison.Ordinal)
            && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            && !name.StartsWith('.');
        return plain ? name : throw new InvalidDataException($"'{source}' places '{entry.Name}' in '{name}'; the name of a .safetensors file in the same folder is expected.");
    }
}
