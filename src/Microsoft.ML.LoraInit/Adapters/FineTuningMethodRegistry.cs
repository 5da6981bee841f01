using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>The list of methods: the one place beside its own file where a method is named.</summary>
internal static class FineTuningMethodRegistry
{
    // One default instance a method; its type and name serve for parsing and for reading stored models.
    private static readonly FineTuningMethod[] Defaults =
    [
        FineTuningMethod.Lora(),
        FineTuningMethod.HeadOnly(),
        FineTuningMethod.BitFit(),
        FineTuningMethod.Full(),
        FineTuningMethod.Houlsby(),
        FineTuningMethod.Pfeiffer(),
        FineTuningMethod.Lin(),
        new AdapterFusionMethod(),
        new AdaLoraMethod(),
        new LohaMethod(),
        new LokrMethod(),
        new SoraMethod(),
        new LoraProMethod(),
        new KasaMethod(),
        new DyloraMethod(),
        new MeloraMethod(),
        new SdLoraMethod(),
        new BeamLoraMethod(),
        new AloraMethod(),
        new RmLoraMethod(),
        new GaloreMethod(),
        new LisaMethod(),
        new RosaMethod(),
        new ProloraMethod(),
    ];

    // What people call a method; models and reports store its one name.
    private static readonly Dictionary<string, string> Aliases = new(StringComparer.OrdinalIgnoreCase) { ["head-only"] = "head", ["adapter-l"] = "lin", ["adapterfusion"] = "fusion" };

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow,
        Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
    };

    public static IReadOnlyList<string> Names { get; } = [.. Defaults.Select(d => d.Name)];

    public static IReadOnlyList<FineTuningMethod> All => Defaults;

    /// <summary>A method's settings with its name first: what a model stores.</summary>
    public static JsonObject ToJson(FineTuningMethod method)
    {
        var result = new JsonObject { ["name"] = method.Name };
        foreach (var (key, value) in JsonSerializer.SerializeToNode(method, method.GetType(), Json)!.AsObject())
            result[key] = value?.DeepClone();
        return result;
    }

    /// <exception cref="ArgumentException">The name or a setting is unknown, or a value is of the wrong kind or out of range.</exception>
    public static FineTuningMethod FromJson(JsonObject json) => FromJson(json, null);

    private static FineTuningMethod FromJson(JsonObject json, Dictionary<string, string>? typed)
    {
        var known = Find(json["name"] is JsonValue text && text.TryGetValue<string>(out var name) ? name : "");
        var settings = ToJson(known);
        foreach (var (key, value) in json)
            settings[key] = settings.ContainsKey(key) ? value?.DeepClone() : throw Unknown(known, key);
        settings.Remove("name");
        return (FineTuningMethod)new SettingReader($"the method '{known.Name}'", typed).Read(known.GetType(), settings, Json);
    }

    public static FineTuningMethod Parse(string text)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(text);
        var parts = text.Split(':', 2);
        var known = Find(parts[0].Trim());
        var settings = ToJson(known);
        Dictionary<string, string> typed = [];
        foreach (var pair in (parts.Length > 1 ? parts[1] : "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (pair.Split('=', 2, StringSplitOptions.TrimEntries) is not [var key, var value])
                throw new ArgumentException($"'{pair}' in the method '{text}' is not of the form setting=value.", nameof(text));
            var found = settings.Select(s => s.Key).FirstOrDefault(k => k != "name" && k.Equals(key, StringComparison.OrdinalIgnoreCase)) ?? throw Unknown(known, key);
            typed[found] = key;
            settings[found] = long.TryParse(value, NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) ? JsonValue.Create(number)
                : double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) && double.IsFinite(real) ? JsonValue.Create(real)
                : bool.TryParse(value, out var flag) ? JsonValue.Create(flag)
                : JsonValue.Create(value);
        }
        return FromJson(settings, typed);
    }

    private static FineTuningMethod Find(string name) =>
        Defaults.FirstOrDefault(d => d.Name.Equals(Aliases.GetValueOrDefault(name, name), StringComparison.OrdinalIgnoreCase))
        ?? throw new ArgumentException($"There is no fine-tuning method '{name}'. Known: {string.Join(", ", Names)}.");

    private static ArgumentException Unknown(FineTuningMethod method, string key)
    {
        var settings = ToJson(method).Select(s => s.Key).Where(k => k != "name").ToArray();
        return new ArgumentException(settings.Length == 0
            ? $"The fine-tuning method '{method.Name}' has no settings, so '{key}' cannot be set."
            : $"The fine-tuning method '{method.Name}' has no setting '{key}'. It has: {string.Join(", ", settings)}.");
    }
}
