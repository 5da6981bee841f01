using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Initialization;
using Microsoft.ML.LoraInit.Options;

namespace Microsoft.ML.LoraInit.Training.Checkpointing;

/// <summary>
/// All that decides what a run computes, as named texts: settings, data, base, seed, format. A checkpoint resumes only a
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

    // Decide nothing, or are no option: they come with an adapter's folder, which its own entry names.
    private static readonly HashSet<string> Ignored =
    [
        nameof(FineTuningSettings.Checkpoints), nameof(AdapterSettings.LayersPattern), nameof(AdapterSettings.AllowsUnusedPatterns), nameof(AdapterSettings.PatternBudget),
        nameof(AdapterSettings.AllowsAnyRank), nameof(AdapterSettings.Names),
    ];

    // Checkpoints name a setting as the trainers' option is called.
    private static readonly Dictionary<string, string> Names = new(StringComparer.Ordinal) { [nameof(AdapterSettings.Dropout)] = nameof(LoraTrainerOptions.LoraDropout) };

    private static readonly Dictionary<string, string> Defaults = Entries(new FineTuningSettings()).ToDictionary(StringComparer.Ordinal);

    /// <summary>The settings that are compared, by the names of the trainers' options.</summary>
    public static IReadOnlyCollection<string> Settings => Defaults.Keys;

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
        if (request.Known is { } known)
            entries["known model (hash)"] = Hash(known);
        // Sums and dropout masks depend on how many share a batch.
        if (request.OtherDevices.Count > 0)
            entries["devices"] = (1 + request.OtherDevices.Count).ToString(CultureInfo.InvariantCulture);
        foreach (var (name, text) in Entries(request.Settings))
            entries[name] = text;
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

    private static string Default(string name) => Defaults.GetValueOrDefault(name, Absent);

    /// <summary>Every setting, those of the records within it too.</summary>
    private static IEnumerable<KeyValuePair<string, string>> Entries(object settings) =>
        from property in settings.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance)
        where !Ignored.Contains(property.Name)
        let value = property.GetValue(settings)
        from entry in value is AdapterSettings or OptimizerSettings or ScheduleSettings
            ? Entries(value)
            : [KeyValuePair.Create(Names.GetValueOrDefault(property.Name, property.Name), Text(value))]
        select entry;

    private static string Text(object? value) => value switch
    {
        null => "none",
        string text => text,
        LoraMethod { Freeze: AdapterFactor.None, Bias: LoraBias.None } => "LoraMethod { Name = lora }", // as version 0.1.0 wrote it
        BottleneckMethod { Skip: 0 } method => method.ToString().Replace($", {nameof(method.Skip)} = 0", "", StringComparison.Ordinal), // that one too
        LoraFamilyMethod or FullFamilyMethod or AdapterFusionMethod => ((FineTuningMethod)value).ToJson().ToJsonString(),
        LoraInitialization strategy => InitializationRegistry.ToJson(strategy).ToJsonString(),
        IEnumerable => JsonSerializer.Serialize(value),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    private static string Hash(FineTunedState known)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, value) in known.Tensors.OrderBy(t => t.Key, StringComparer.Ordinal))
        {
            hash.AppendData(System.Text.Encoding.UTF8.GetBytes(name));
            hash.AppendData(MemoryMarshal.AsBytes<float>(value.data<float>().ToArray()));
        }
        return $"{known.Outputs} outputs, {Convert.ToHexStringLower(hash.GetHashAndReset())}";
    }

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
}
