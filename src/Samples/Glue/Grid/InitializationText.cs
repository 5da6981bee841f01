using System.Text.Json.Nodes;

namespace Microsoft.ML.LoraInit.Samples.Glue.Grid;

/// <summary>A strategy as text that <see cref="LoraInitialization.Parse"/> reads back, and its settings written out.</summary>
internal static class InitializationText
{
    /// <summary>The name, and the settings that differ from the default: <c>pissa:iterations=16</c>.</summary>
    public static string Label(LoraInitialization strategy)
    {
        var defaults = Settings(LoraInitialization.Parse(strategy.Name));
        var changed = Settings(strategy)
            .Where(s => !JsonNode.DeepEquals(s.Value, defaults[s.Key]))
            .Select(s => $"{s.Key}={s.Value}")
            .ToArray();
        return changed.Length == 0 ? strategy.Name : $"{strategy.Name}:{string.Join(',', changed)}";
    }

    public static JsonObject Settings(LoraInitialization strategy)
    {
        var settings = strategy.ToJson();
        settings.Remove("name");
        return settings;
    }
}
