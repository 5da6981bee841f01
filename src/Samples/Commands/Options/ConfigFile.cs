using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.LoraInit.Samples.Commands.Options;

/// <summary>
/// <c>--config FILE</c>: options from a JSON object, by their names without the dashes (<c>"learning-rate": 2e-3</c>; <c>learning_rate</c> too).
/// The report of an earlier <c>train --json</c> is one as well: its settings are taken. What is typed counts more than what the file says.
/// </summary>
internal static class ConfigFile
{
    private static readonly JsonDocumentOptions Lenient = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, AllowDuplicateProperties = false };

    /// <summary>A new option for a command.</summary>
    public static Option<string?> Create() => new("--config") { Description = "Take options from this JSON file, by their names without dashes, or repeat the run of a report of --json. What is typed counts more.", HelpName = "FILE" };

    /// <summary>The arguments with those that the file adds to them; the same where no file is named.</summary>
    /// <param name="parsed">The arguments, parsed.</param>
    /// <param name="args">The arguments.</param>
    /// <exception cref="UsageException">The file cannot be read, is no object, or has a member that is no option of the command.</exception>
    public static string[] Expand(ParseResult parsed, string[] args)
    {
        var command = parsed.CommandResult.Command;
        if (command.Options.FirstOrDefault(o => o.Name == "--config") is not Option<string?> option || parsed.GetResult(option) is not { Implicit: false } || parsed.GetValue(option) is not { } path)
            return args;
        List<string> expanded = [.. args];
        foreach (var (key, value) in Read(path))
        {
            var name = "--" + key.Replace('_', '-');
            var known = command.Options.FirstOrDefault(o => o.Name == name && o != option)
                ?? throw new UsageException($"--config: {path} has '{key}', which is no option of {command.Name}{(name == option.Name ? " in a file" : "")}.{Suggestion.For(key, command.Options.Where(o => o != option).Select(o => o.Name.TrimStart('-')))}");
            if (parsed.GetResult(known) is { Implicit: false } || value is null)
                continue;
            bool flag = known.ValueType == typeof(bool);
            if (flag && value.GetValueKind() is not (JsonValueKind.True or JsonValueKind.False))
                throw new UsageException($"--config: {path}: '{key}' is true or false, not {value.ToJsonString()}.");
            expanded.AddRange([name, Text(value)]);
        }
        return [.. expanded];
    }

    private static JsonObject Read(string path)
    {
        JsonNode? json;
        try
        {
            json = JsonNode.Parse(File.ReadAllText(path), documentOptions: Lenient);
        }
        catch (JsonException e)
        {
            throw new UsageException($"--config: {path} is not JSON (line {e.LineNumber + 1}): {e.Message.Split(" LineNumber:")[0].Split(" Path:")[0]}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--config: {path} cannot be read: {e.Message}", e);
        }
        if (json is not JsonObject settings)
            throw new UsageException($"--config: {path} is not a JSON object of options, such as {{ \"rank\": 16 }}.");
        return settings["run"]?["settings"] as JsonObject ?? settings;
    }

    // As one would type it: lists with commas, objects as NAME=VALUE.
    private static string Text(JsonNode value) => value switch
    {
        JsonArray list => string.Join(',', list.Select(item => item is null ? "" : Text(item))),
        JsonObject pairs => string.Join(',', pairs.Select(p => $"{p.Key}={(p.Value is null ? "" : Text(p.Value))}")),
        _ when value.GetValueKind() == JsonValueKind.String => value.GetValue<string>(),
        _ => value.ToJsonString(),
    };
}
