using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Initialization;

/// <summary>The strategies by name: this library's, whose list is the one place beside its own file where a strategy is named, and registered ones.</summary>
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
        LoraInitialization.IniLora(),
        LoraInitialization.IniLoraAlpha(),
        LoraInitialization.IniLoraBeta(),
        LoraInitialization.IniLoraRandom(),
        LoraInitialization.Pissa(),
        LoraInitialization.Loram(),
        LoraInitialization.Milora(),
        LoraInitialization.Olora(),
        LoraInitialization.Mica(),
        LoraInitialization.Loftq(),
        LoraInitialization.Cloq(),
        LoraInitialization.Eva(),
        LoraInitialization.Corda(),
        LoraInitialization.LoraNull(),
        LoraInitialization.Astra(),
        LoraInitialization.LoraGa(),
        LoraInitialization.LoraOne(),
        LoraInitialization.Nora(),
        LoraInitialization.Nlora(),
        LoraInitialization.Slora(),
        LoraInitialization.LoraXs(),
        LoraInitialization.LoraSb(),
        LoraInitialization.Hrp(),
        LoraInitialization.Cntlora(),
    ];

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow,
        Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { KeepSettings } },
    };

    /// <summary>How text says that a setting has no value.</summary>
    public const string Nothing = "null";

    private static readonly Lock Registration = new();

    // Replaced as a whole, so that readers need no lock.
    private static volatile LoraInitialization[] _known = Defaults;

    public static IReadOnlyList<string> Names => [.. _known.Select(d => d.Name)];

    /// <summary>This library's own.</summary>
    public static IReadOnlyList<LoraInitialization> BuiltIn => Defaults;

    /// <summary>All but the experimental ones.</summary>
    public static IReadOnlyList<LoraInitialization> Published { get; } = [.. Defaults.Where(d => !d.IsExperimental)];

    /// <param name="strategy">With its default settings.</param>
    /// <exception cref="ArgumentException">Its name or settings would not come back from a file.</exception>
    /// <exception cref="InvalidOperationException">Another type has the name.</exception>
    public static void Register(LoraInitialization strategy)
    {
        StrategyRequirements.Check(strategy);
        lock (Registration)
        {
            if (TryFind(strategy.Name) is not { } other)
                _known = [.. _known, strategy];
            else if (other.GetType() != strategy.GetType())
                throw new InvalidOperationException($"{strategy.GetType()} cannot be registered as '{strategy.Name}': {other.GetType()} has that name. Give it another.");
        }
    }

    /// <summary>A strategy's settings with its name first: what a model stores.</summary>
    public static JsonObject ToJson(LoraInitialization strategy)
    {
        if (strategy is UnknownInitialization unknown)
            return unknown.Stored;
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
    /// <exception cref="ArgumentException">There is no name, a setting is unknown, or a value is of the wrong kind.</exception>
    public static LoraInitialization FromJson(JsonObject json)
    {
        if (json["name"] is not JsonValue value || !value.TryGetValue(out string? name) || name.Length == 0)
            throw new ArgumentException($"An initialisation has no 'name': {json.ToJsonString()}.", nameof(json));
        return TryFind(name) is { } known ? WithSettings(known, json) : new UnknownInitialization(name, json);
    }

    /// <summary>The strategy of the same type with the settings in <paramref name="json"/>, which may hold the name too.</summary>
    /// <param name="known">Of the type.</param>
    /// <param name="json">The settings.</param>
    /// <param name="typed">Their keys as somebody typed them, by those in <paramref name="json"/>; null where nobody did.</param>
    public static LoraInitialization WithSettings(LoraInitialization known, JsonObject json, IReadOnlyDictionary<string, string>? typed = null)
    {
        var settings = ToJson(known.Former);
        foreach (var (key, value) in json)
            settings[key] = settings.ContainsKey(key) ? value?.DeepClone() : throw Unknown(known, key);
        settings.Remove("name");
        return (LoraInitialization)new SettingReader($"the initialisation '{known.Name}'", typed).Read(known.GetType(), settings, Json);
    }

    public static LoraInitialization Parse(string text)
    {
        var (name, rest) = text.Split(':', 2) is [var n, var r] ? (n, r) : (text, "");
        var known = Find(name.Trim());
        var settings = ToJson(known);
        Dictionary<string, string> typed = [];
        foreach (var pair in rest.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (pair.Split('=', 2, StringSplitOptions.TrimEntries) is not [var key, var value])
                throw new ArgumentException($"'{pair}' in the initialisation '{text}' is not of the form setting=value.", nameof(text));
            var found = settings.Select(s => s.Key).FirstOrDefault(k => k != "name" && k.Equals(key.Replace("-", ""), StringComparison.OrdinalIgnoreCase)) ?? throw Unknown(known, key);
            typed[found] = key;
            settings[found] = Literal(value);
        }
        return WithSettings(known, settings, typed);
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
        : double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) ? JsonValue.Create(number)
        : JsonValue.Create(value);

    private static LoraInitialization? TryFind(string name) =>
        Array.Find(_known, d => d.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    private static LoraInitialization Find(string name) =>
        TryFind(name) ?? throw new ArgumentException($"There is no initialisation '{name}'. Known: {string.Join(", ", Names)}.");

    private static ArgumentException Unknown(LoraInitialization strategy, string key)
    {
        var settings = ToJson(strategy).Select(s => s.Key).Where(k => k != "name").ToArray();
        return new ArgumentException(settings.Length == 0
            ? $"The initialisation '{strategy.Name}' has no settings, so '{key}' cannot be set."
            : $"The initialisation '{strategy.Name}' has no setting '{key}'. It has: {string.Join(", ", settings)}.");
    }
}
