using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Samples.Data.Files;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>
/// What it takes to repeat a run and to compare it with others, the <c>run</c> of <c>train --json</c>: settings that <c>--config</c> takes
/// back, the base and the files by their SHA-256, versions, and every epoch.
/// </summary>
internal static class RunDescription
{
    private static readonly JsonSerializerOptions Snake = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        // Correlations and losses may be NaN, which plain JSON cannot say.
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <param name="settings">The options of the command, by name.</param>
    /// <param name="options">What the trainer was given.</param>
    /// <param name="model">What came out.</param>
    /// <param name="files">Paths of the rows and how many there were, by role; without those that were not given.</param>
    public static JsonObject Create(JsonObject settings, LoraTrainerOptions options, LoraTextTransformer model, IEnumerable<(string Role, string Path, int Rows)> files)
    {
        var history = JsonSerializer.SerializeToNode(model.History, Snake)!.AsObject();
        var epochs = history["epochs"];
        history.Remove("epochs");
        return new()
        {
            ["settings"] = settings,
            ["seed"] = options.Seed,
            ["method"] = options.Method.ToJson(),
            ["initialization"] = model.Initialization?.ToJson(),
            ["base_model"] = new JsonObject { ["id"] = model.BaseModelId, ["sha256"] = model.BaseModelSha256 },
            ["files"] = new JsonObject(files.Select(f => KeyValuePair.Create(f.Role, (JsonNode?)new JsonObject { ["path"] = f.Path, ["sha256"] = Hash(f.Path), ["rows"] = f.Rows }))),
            ["environment"] = JsonSerializer.SerializeToNode(RunEnvironment.Current(options.Devices is { } devices ? string.Join(',', devices) : options.Device?.ToString() ?? "cpu"), Snake),
            ["summary"] = history,
            ["epochs"] = epochs,
        };
    }

    /// <summary>What repeats a run on files that have changed since; empty where they have not, or where the file named is no report.</summary>
    /// <param name="config">The file given to <c>--config</c>.</param>
    /// <param name="files">The files of the new run, by role.</param>
    public static IEnumerable<string> Changes(string config, IEnumerable<(string Role, string Path)> files)
    {
        var earlier = (JsonNode.Parse(File.ReadAllText(config), documentOptions: new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true })?["run"] as JsonObject)?["files"];
        foreach (var (role, path) in files)
            if ((string?)earlier?[role]?["sha256"] is { } hash && Hash(path) is { } now && hash != now)
                yield return $"{path} is not the file of {config}: its SHA-256 is another, so the metrics may differ.";
    }

    // A pipe is gone once it is read.
    private static string? Hash(string path)
    {
        if (path == DataFile.Standard || !File.Exists(path) || (File.GetAttributes(path) & FileAttributes.Device) != 0)
            return null;
        using var stream = File.OpenRead(path);
        return stream.CanSeek ? Convert.ToHexStringLower(SHA256.HashData(stream)) : null;
    }
}
