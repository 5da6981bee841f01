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
            .Select(s => $"{s.Key}={s.Value?.ToString() ?? "null"}")
            .ToArray();
        return changed.Length == 0 ? strategy.Name : $"{strategy.Name}:{string.Join(',', changed)}";
    }

    /// <summary>All strategies that a text stands for whose settings have several values: <c>hrp:rank=16|64,side=a|b</c> is four.</summary>
    /// <exception cref="ArgumentException">One of them cannot be made.</exception>
    public static IEnumerable<LoraInitialization> Expand(string text)
    {
        IEnumerable<string> texts = [""];
        var parts = text.Split(':', 2);
        foreach (var pair in parts.Length == 1 ? [] : parts[1].Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var (key, values) = pair.Split('=', 2) is [var k, var v] ? ($"{k}=", v.Split('|')) : (pair, [""]);
            texts = texts.SelectMany(t => values.Select(value => $"{t}{(t.Length == 0 ? "" : ",")}{key}{value}")).ToArray();
        }
        return [.. texts.Select(settings => LoraInitialization.Parse(settings.Length == 0 ? parts[0] : $"{parts[0]}:{settings}"))];
    }

    public static JsonObject Settings(LoraInitialization strategy)
    {
        var settings = strategy.ToJson();
        settings.Remove("name");
        return settings;
    }
}
