using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
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
    /// <param name="files">The files of the rows; without those that were not given.</param>
    public static JsonObject Create(JsonObject settings, LoraTrainerOptions options, LoraTextTransformer model, IEnumerable<RowsFile> files)
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
            ["files"] = new JsonObject(files.Select(f => KeyValuePair.Create(f.Role, (JsonNode?)new JsonObject { ["path"] = f.Path, ["sha256"] = f.Sha256, ["rows"] = f.Rows }))),
            ["environment"] = JsonSerializer.SerializeToNode(RunEnvironment.Current(options.Devices is { } devices ? string.Join(',', devices) : options.Device?.ToString() ?? "cpu"), Snake),
            ["summary"] = history,
            ["epochs"] = epochs,
        };
    }

    /// <summary>What repeats a run on files that have changed since; empty where they have not, or where the file named is no report.</summary>
    /// <param name="config">The file given to <c>--config</c>.</param>
    /// <param name="files">The files of the new run.</param>
    public static IEnumerable<string> Changes(string config, IEnumerable<RowsFile> files)
    {
        var earlier = (JsonNode.Parse(File.ReadAllText(config), documentOptions: new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true })?["run"] as JsonObject)?["files"];
        foreach (var file in files)
            if ((string?)earlier?[file.Role]?["sha256"] is { } hash && hash != file.Sha256)
                yield return $"{file.Path} is not the file of {config}: its SHA-256 is another, so the metrics may differ.";
    }
}

/// <summary>A file of rows as it was read.</summary>
/// <param name="Role">What it was given as: <c>train</c> or <c>validation</c>.</param>
/// <param name="Path">As it was named.</param>
/// <param name="Sha256">Of its bytes.</param>
/// <param name="Rows">How many there were.</param>
internal sealed record RowsFile(string Role, string Path, string Sha256, int Rows);
