using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.LoraInit.Samples.Commands.Options;

/// <summary>The options of a command as JSON that <see cref="ConfigFile"/> takes back.</summary>
internal static class ConfigSettings
{
    /// <summary>Where results go, and what only shows: a repetition says that anew.</summary>
    private static readonly string[] Places = ["--model", "--json", "--html", "--explain-errors", "--tensorboard", "--checkpoint-dir", "--checkpoint-every", "--config", "--verbose", "--help", "--version"];

    /// <summary>Every option that has a value, typed or by default, by its name without dashes.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="without">Names of options that have no meaning in this run.</param>
    /// <param name="defaults">The texts of defaults that no option shows, by name.</param>
    public static JsonObject Of(ParseResult result, IEnumerable<string> without, IReadOnlyDictionary<string, string> defaults)
    {
        var settings = new JsonObject();
        foreach (var option in result.CommandResult.Command.Options.ExceptBy(Places.Concat(without), o => o.Name))
        {
            object? value = result.GetResult(option) is { } given ? Value(given, option) : null;
            value ??= defaults.GetValueOrDefault(option.Name);
            if (value is not null)
                settings[option.Name.TrimStart('-')] = value is bool yes ? JsonValue.Create(yes) : Node(value.ToString()!);
        }
        return settings;
    }

    /// <summary>A setting as a truth value, a number or a text.</summary>
    public static object Value(JsonNode node) => node.GetValueKind() switch
    {
        JsonValueKind.True or JsonValueKind.False => node.GetValue<bool>(),
        JsonValueKind.Number => double.Parse(node.ToJsonString(), System.Globalization.CultureInfo.InvariantCulture),
        _ => node.ToString(),
    };

    // Numbers as numbers, which other programs compare; their digits stay as typed.
    private static JsonNode Node(string text)
    {
        try
        {
            if (JsonNode.Parse(text) is JsonValue number && number.GetValueKind() == JsonValueKind.Number)
                return number;
        }
        catch (JsonException)
        {
            // Any other text.
        }
        return JsonValue.Create(text);
    }

    private static object? Value(System.CommandLine.Parsing.OptionResult given, Option option)
    {
        if (option.ValueType == typeof(bool))
            return given.GetValueOrDefault<bool>();
        // As typed: the text means the same again.
        return given is { Implicit: false, Tokens.Count: > 0 } ? string.Join(',', given.Tokens.Select(t => t.Value))
            : option.ValueType == typeof(string) ? given.GetValueOrDefault<string?>() : null;
    }
}
