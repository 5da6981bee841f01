using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace Microsoft.ML.LoraInit.Initialization;

/// <summary>The list of strategies: the one place beside its own file where a strategy is named.</summary>
internal static class InitializationRegistry
{
    // One default instance a strategy; its type and name serve for parsing and for reading stored models.
    private static readonly LoraInitialization[] Defaults =
    [
        LoraInitialization.Kaiming(),
        LoraInitialization.Gaussian(),
        LoraInitialization.InitB(),
        LoraInitialization.NonZero(),
        LoraInitialization.Orthogonal(),
        LoraInitialization.IniLoRA(),
        LoraInitialization.IniLoRAAlpha(),
        LoraInitialization.IniLoRABeta(),
        LoraInitialization.IniLoraRandom(),
        LoraInitialization.PiSSA(),
        LoraInitialization.Loram(),
        LoraInitialization.MiLoRA(),
        LoraInitialization.OLoRA(),
        LoraInitialization.MiCA(),
        LoraInitialization.LoftQ(),
        LoraInitialization.Cloq(),
        LoraInitialization.EVA(),
        LoraInitialization.CorDA(),
        LoraInitialization.LoraNull(),
        LoraInitialization.Astra(),
        LoraInitialization.LoRAGA(),
        LoraInitialization.LoRAOne(),
        LoraInitialization.NoRA(),
        LoraInitialization.NLoRA(),
        LoraInitialization.Slora(),
        LoraInitialization.LoraXs(),
        LoraInitialization.LoraSb(),
        LoraInitialization.HighRankPreheating(),
        LoraInitialization.CNTLoRA(),
    ];

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow,
        Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { KeepSettings } },
    };

    /// <summary>How text says that a setting has no value.</summary>
    public const string Nothing = "null";

    public static IReadOnlyList<string> Names { get; } = [.. Defaults.Select(d => d.Name)];

    public static IReadOnlyList<LoraInitialization> All => Defaults;

    /// <summary>All but the experimental ones.</summary>
    public static IReadOnlyList<LoraInitialization> Published { get; } = [.. Defaults.Where(d => !d.IsExperimental)];

    /// <summary>A strategy's settings with its name first: what a model stores.</summary>
    public static JsonObject ToJson(LoraInitialization strategy)
    {
        var settings = JsonSerializer.SerializeToNode(strategy, strategy.GetType(), Json)!.AsObject();
        var result = new JsonObject { ["name"] = strategy.Name };
        foreach (var (key, value) in settings)
            result[key] = value?.DeepClone();
        return result;
    }

    /// <summary>
    /// Reads what a model, a checkpoint or a report stored: a setting that is absent did not exist when it was written, and
    /// has the value that stands for what the strategy did then (<see cref="LoraInitialization.Former"/>).
    /// <see cref="Parse"/> gives an absent setting today's default.
    /// </summary>
    /// <exception cref="ArgumentException">The name or a setting is unknown, or a value is of the wrong kind.</exception>
    public static LoraInitialization FromJson(JsonObject json)
    {
        var name = json["name"] is JsonValue text && text.TryGetValue<string>(out var given) ? given : "";
        var known = Find(name);
        var settings = ToJson(known.Former);
        foreach (var (key, value) in json)
            settings[key] = settings.ContainsKey(key) ? value?.DeepClone() : throw Unknown(known, key);
        settings.Remove("name");
        try
        {
            return (LoraInitialization)settings.Deserialize(known.GetType(), Json)!;
        }
        catch (JsonException e)
        {
            throw new ArgumentException($"The settings of the initialisation '{name}' cannot be read: {e.Message}", nameof(json), e);
        }
    }

    public static LoraInitialization Parse(string text)
    {
        var (name, rest) = text.Split(':', 2) is [var n, var r] ? (n, r) : (text, "");
        var known = Find(name.Trim());
        var settings = ToJson(known);
        foreach (var pair in rest.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (pair.Split('=', 2, StringSplitOptions.TrimEntries) is not [var key, var value])
                throw new ArgumentException($"'{pair}' in the initialisation '{text}' is not of the form setting=value.", nameof(text));
            var found = settings.Select(s => s.Key).FirstOrDefault(k => k != "name" && k.Equals(key.Replace("-", ""), StringComparison.OrdinalIgnoreCase));
            settings[found ?? throw Unknown(known, key)] = Literal(value);
        }
        return FromJson(settings);
    }

    // Name, family and needs follow from the settings; overriding properties do not inherit JsonIgnore.
    private static void KeepSettings(JsonTypeInfo type)
    {
        for (int i = type.Properties.Count - 1; i >= 0; i--)
        {
            if (type.Properties[i].Set is null)
                type.Properties.RemoveAt(i);
        }
    }

    private static JsonValue? Literal(string value) =>
        value == Nothing ? null
        : bool.TryParse(value, out var flag) ? JsonValue.Create(flag)
        : long.TryParse(value, NumberStyles.Integer, CultureInfo.InvariantCulture, out var integer) ? JsonValue.Create(integer)
        : double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? JsonValue.Create(number)
        : JsonValue.Create(value);

    private static LoraInitialization Find(string name) =>
        Defaults.FirstOrDefault(d => d.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new ArgumentException($"There is no initialisation '{name}'. Known: {string.Join(", ", Names)}.");

    private static ArgumentException Unknown(LoraInitialization strategy, string key)
    {
        var settings = ToJson(strategy).Select(s => s.Key).Where(k => k != "name").ToArray();
        return new ArgumentException(settings.Length == 0
            ? $"The initialisation '{strategy.Name}' has no settings, so '{key}' cannot be set."
            : $"The initialisation '{strategy.Name}' has no setting '{key}'. It has: {string.Join(", ", settings)}.");
    }
}
