using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>Reads settings from JSON. What is wrong with one is said of its key there, or as it was typed, and not of the property behind it.</summary>
/// <param name="owner">Whose settings they are, such as <c>the initialisation 'hrp'</c>.</param>
/// <param name="typed">The keys as somebody typed them, by the keys in JSON; null where nobody did.</param>
internal sealed class SettingReader(string owner, IReadOnlyDictionary<string, string>? typed = null)
{
    /// <param name="type">The class that has a property for each setting.</param>
    /// <param name="settings">All of them.</param>
    /// <param name="options">How the type is read.</param>
    /// <exception cref="ArgumentException">A value is of the wrong kind.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public object Read(Type type, JsonObject settings, JsonSerializerOptions options)
    {
        try
        {
            return settings.Deserialize(type, options)!;
        }
        catch (JsonException e)
        {
            var key = e.Path?.StartsWith("$.", StringComparison.Ordinal) == true ? e.Path[2..] : "";
            var property = type.GetProperties().FirstOrDefault(p => Key(p).Equals(key, StringComparison.OrdinalIgnoreCase));
            throw new ArgumentException(
                property is not null && Kind(property.PropertyType) is { } kind
                    ? $"{Named(key)} is {(settings[key] is { } value ? $"'{value}'" : "missing")}; it must be {kind}."
                    : $"The settings of {owner} cannot be read: {e.Message}",
                nameof(settings), e);
        }
        catch (ArgumentOutOfRangeException e) when (type.GetProperties().FirstOrDefault(p => p.Name.Equals(e.ParamName, StringComparison.OrdinalIgnoreCase)) is { } property)
        {
            var key = Key(property);
            var value = settings[key]?.ToJsonString() ?? "null";
            // A registered strategy has words of its own.
            throw new ArgumentOutOfRangeException(
                nameof(settings), SettingRange.Allowed(e) is { } allowed ? $"{Named(key)} is {value}; it must be {allowed}." : $"{Named(key)} is {value}: {e.Message}");
        }
    }

    private string Named(string key) => $"The setting '{typed?.GetValueOrDefault(key) ?? key}' of {owner}";

    private static string Key(PropertyInfo property) =>
        property.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name ?? JsonNamingPolicy.CamelCase.ConvertName(property.Name);

    // As the readers of settings have them.
    private static string Text(FieldInfo value) =>
        value.GetCustomAttribute<JsonStringEnumMemberNameAttribute>()?.Name ?? JsonNamingPolicy.KebabCaseLower.ConvertName(value.Name);

    // Null where the type has a reader of its own, whose words are better.
    private static string? Kind(Type type)
    {
        var inner = Nullable.GetUnderlyingType(type) ?? type;
        var kind = inner.IsEnum ? string.Join(" or ", inner.GetFields(BindingFlags.Public | BindingFlags.Static).Select(Text))
            : inner == typeof(bool) ? "true or false"
            : inner == typeof(int) || inner == typeof(long) ? "a whole number"
            : inner == typeof(double) || inner == typeof(float) ? "a number"
            : inner == typeof(string) ? "a text"
            : null;
        return kind is null || inner == type ? kind : kind + ", or null for none";
    }
}
