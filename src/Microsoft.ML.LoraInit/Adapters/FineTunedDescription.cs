using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>Writes and reads the description in a <see cref="FineTunedState"/>; a description read may come from a damaged file.</summary>
internal static class FineTunedDescription
{
    private const string MethodKey = "method";
    private const string InitializationKey = "initialization";
    private const string AdaptersKey = "adapters";
    private const string QuantizationKey = "baseQuantization";
    private const string OptimizerKey = "optimizer";
    private const string Nf4 = "nf4";

    // A member that is not here raises ModelFormat.Version, so that older libraries refuse it as newer.
    private static readonly HashSet<string> Members = [MethodKey, InitializationKey, AdaptersKey, QuantizationKey, OptimizerKey, "classWeights"];

    private static readonly JsonSource Source = new("The model's description", "Get or save the model again.");

    /// <param name="method">What was trained.</param>
    /// <param name="initialization">How its adapters started, or null.</param>
    /// <param name="adapters">The adapters.</param>
    /// <param name="quantized">Whether the base was held in 4 bits.</param>
    /// <param name="optimizer">How the adapters were trained, for readers of the file; or null.</param>
    public static JsonObject Write(FineTuningMethod method, LoraInitialization? initialization, IEnumerable<AdapterDescription> adapters, bool quantized = false, JsonObject? optimizer = null) => new()
    {
        [QuantizationKey] = quantized ? Nf4 : null,
        [OptimizerKey] = method.UsesAdapters ? optimizer : null,
        [MethodKey] = method.ToJson(),
        [InitializationKey] = method.UsesAdapters && initialization is not null ? InitializationRegistry.ToJson(initialization) : null,
        [AdaptersKey] = new JsonArray([.. adapters.Select(a => a.ToJson())]),
    };

    /// <exception cref="InvalidDataException">There is none, or an unknown one.</exception>
    public static FineTuningMethod Method(JsonObject fineTuning)
    {
        if (fineTuning.Select(m => m.Key).FirstOrDefault(m => !Members.Contains(m)) is { } unknown)
            throw Source.Bad(unknown, "is a member that this library does not know");
        if (fineTuning[MethodKey] is not JsonObject json)
            throw Source.Bad(MethodKey, "is missing or no object");
        if (fineTuning[InitializationKey] is { } start)
            _ = UntrustedJson.Guard(Source, () => InitializationRegistry.FromJson(start.AsObject()));
        return UntrustedJson.Guard(Source, () => FineTuningMethodRegistry.FromJson(json));
    }

    /// <summary>Whether the base was held in 4 bits.</summary>
    /// <exception cref="InvalidDataException">The kind is unknown.</exception>
    public static bool IsQuantized(JsonObject fineTuning) => fineTuning[QuantizationKey] switch
    {
        null => false,
        JsonValue value when value.TryGetValue(out string? kind) && kind == Nf4 => true,
        var other => throw new InvalidDataException($"The model's description has the unknown '{QuantizationKey}' {other.ToJsonString()}."),
    };

    /// <exception cref="InvalidDataException">An adapter does not fit the base's shape.</exception>
    public static IReadOnlyList<StoredAdapter> Adapters(JsonObject fineTuning, FineTuningMethod method, RobertaConfig config)
    {
        if (fineTuning[AdaptersKey] is not JsonArray array)
            throw new InvalidDataException($"The model's description has no list '{AdaptersKey}'.");
        var shapes = AdapterPlanner.Modules(config).ToDictionary(m => m.Name, m => (m.Outputs, m.Inputs), StringComparer.Ordinal);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        return
        [
            .. array.Select(AdapterDescription.FromJson).Select(d => seen.Add(d.Module)
                ? new StoredAdapter(d, d.Target(shapes), method.Kind(d.Kind) ?? throw new InvalidDataException($"The model's description of an adapter gives '{d.Module}' the kind '{d.Kind}', which the method '{method.Name}' does not have."))
                : throw new InvalidDataException($"The model has two adapters on '{d.Module}'.")),
        ];
    }

    /// <summary>Refuses tensors that are missing, surplus, of another shape or not fp32 on the CPU.</summary>
    public static void Check(IReadOnlyDictionary<string, Tensor> tensors, IEnumerable<(string Name, long[] Shape)> expected)
    {
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, shape) in expected)
        {
            known.Add(name);
            if (!tensors.TryGetValue(name, out var found))
                throw new InvalidDataException($"The model lacks the tensor '{name}'.");
            if (!found.shape.AsSpan().SequenceEqual(shape))
                throw new InvalidDataException($"The model's tensor '{name}' has the shape [{string.Join(", ", found.shape)}], not [{string.Join(", ", shape)}].");
            if (found.dtype != ScalarType.Float32 || found.device.type != TorchSharp.DeviceType.CPU)
                throw new InvalidDataException($"The model's tensor '{name}' is {found.dtype} on {found.device}; Float32 on the CPU is expected.");
        }
        var surplus = tensors.Keys.Where(n => !known.Contains(n)).Order(StringComparer.Ordinal).FirstOrDefault();
        if (surplus is not null)
            throw new InvalidDataException($"The model has the tensor '{surplus}', which its description has no place for.");
    }
}
