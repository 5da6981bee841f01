using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Initialization;

namespace Microsoft.ML.LoraInit.Training.Checkpointing;

/// <summary>
/// All that decides what a run computes, as named texts: options, data, base, seed, format. A checkpoint resumes only a
/// run of the same fingerprint.
/// </summary>
internal static class RunFingerprint
{
    /// <summary>Names the format of the checkpoint's content.</summary>
    public const string FormatKey = "checkpoint format";

    /// <summary>Raised when a checkpoint's content, or what a step computes from it, changes. 2 has a checksum.</summary>
    public const string FormatVersion = "2";

    /// <summary>What version 0.1.0 wrote: the same content without a checksum.</summary>
    public const string UncheckedFormat = "1";

    private const string Absent = "absent";

    // What may differ without changing the result, or what other entries cover (the data's rows, the base, the seed).
    private static readonly HashSet<string> Ignored =
    [
        nameof(LoraTrainerOptions.TextColumnName), nameof(LoraTrainerOptions.Text2ColumnName), nameof(LoraTrainerOptions.LabelColumnName),
        nameof(LoraTrainerOptions.ExampleWeightColumnName), nameof(LoraTrainerOptions.ScoreColumnName), nameof(LoraTrainerOptions.BaseModel),
        nameof(LoraTrainerOptions.MaxLength), nameof(LoraTrainerOptions.ValidationData), nameof(LoraTrainerOptions.ValidationFraction),
        nameof(LoraTrainerOptions.Precision), nameof(LoraTrainerOptions.Device), nameof(LoraTrainerOptions.Devices), nameof(LoraTrainerOptions.Seed),
        nameof(LoraTrainerOptions.Progress), nameof(LoraTrainerOptions.CancellationToken),
        nameof(LoraTrainerOptions.CheckpointDirectory), nameof(LoraTrainerOptions.CheckpointEverySteps), nameof(LoraTrainerOptions.SaveMode),
        nameof(LoraTrainerOptions.TemperatureScaling), // comes after training
    ];

    private static readonly LoraTrainerOptions Defaults = new Common();

    // The trainers' own options name output columns; only what this library's base class declares decides the result.
    private static readonly PropertyInfo[] Options =
        [.. typeof(LoraTrainerOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => !Ignored.Contains(p.Name))];

    public static SortedDictionary<string, string> Of(FineTuningRequest request)
    {
        var entries = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            [FormatKey] = FormatVersion,
            ["task"] = request.Task.Description,
            ["validation metric"] = request.Task.MetricName,
            ["base model (SHA-256)"] = request.Base.Identity.Sha256,
            ["precision"] = request.Base.DType.ToString(),
            ["device type"] = request.Base.Device.type.ToString(),
            ["seed"] = request.Seed.ToString(CultureInfo.InvariantCulture),
            ["training data (hash)"] = Hash(request.Train),
            ["validation data (hash)"] = request.Validation is null ? "none" : Hash(request.Validation),
        };
        // Sums and dropout masks depend on how many share a batch.
        if (request.OtherDevices.Count > 0)
            entries["devices"] = (1 + request.OtherDevices.Count).ToString(CultureInfo.InvariantCulture);
        foreach (var option in Options)
            entries[option.Name] = Text(option.GetValue(request.Options));
        return entries;
    }

    /// <summary>
    /// A sentence for each entry that is not equal. An option that the stored run does not name did not exist then and had
    /// today's default; a setting of its initialisation that it does not name has the value that stands for what was done then.
    /// </summary>
    public static IEnumerable<string> Differences(IReadOnlyDictionary<string, string> stored, IReadOnlyDictionary<string, string> now) =>
        from name in stored.Keys.Union(now.Keys).Order(StringComparer.Ordinal)
        let was = stored.TryGetValue(name, out var text) ? Completed(name, text) : Default(name)
        let isNow = now.GetValueOrDefault(name, Absent)
        where was != isNow
        select $"{name} was {was} and is {isNow}";

    private static string Completed(string name, string text)
    {
        if (name != nameof(LoraTrainerOptions.Initialization))
            return text;
        try
        {
            return Text(InitializationRegistry.FromJson(JsonNode.Parse(text)!.AsObject()));
        }
        catch (Exception e) when (e is ArgumentException or JsonException or InvalidOperationException)
        {
            return text; // names a strategy that this version does not have
        }
    }

    private static string Default(string name) =>
        Options.FirstOrDefault(o => o.Name == name) is { } option ? Text(option.GetValue(Defaults)) : Absent;

    private static string Text(object? value) => value switch
    {
        null => "none",
        string text => text,
        LoraMethod { Freeze: AdapterFactor.None, Bias: LoraBias.None } => "LoraMethod { Name = lora }", // as version 0.1.0 wrote it
        BottleneckMethod { Skip: 0 } method => method.ToString().Replace($", {nameof(method.Skip)} = 0", "", StringComparison.Ordinal), // that one too
        LoraInitialization strategy => InitializationRegistry.ToJson(strategy).ToJsonString(),
        IEnumerable => JsonSerializer.Serialize(value),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    private static string Hash(TextDataset data)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var text in data.Texts)
        {
            hash.AppendData(BitConverter.GetBytes(text.Length));
            hash.AppendData(MemoryMarshal.AsBytes<int>(text.Ids));
        }
        hash.AppendData(MemoryMarshal.AsBytes<float>(data.Labels));
        hash.AppendData(MemoryMarshal.AsBytes<float>(data.Weights ?? []));
        return $"{data.Count} rows, {Convert.ToHexStringLower(hash.GetHashAndReset())}";
    }

    /// <summary>What the trainers' options have in common, with its defaults.</summary>
    private sealed class Common : LoraTrainerOptions;
}
