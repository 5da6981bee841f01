using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>What is wrong with a setting whose JSON is not of its type, in words of the setting instead of the reader's.</summary>
internal static class SettingMessage
{
    /// <param name="owner">Whose setting it is, such as <c>the initialisation 'hrp'</c>.</param>
    /// <param name="type">The class that has a property for each setting.</param>
    /// <param name="settings">What was read.</param>
    /// <param name="e">What the reader says.</param>
    public static string Of(string owner, Type type, JsonObject settings, JsonException e)
    {
        var key = e.Path?.StartsWith("$.", StringComparison.Ordinal) == true ? e.Path[2..] : null;
        var property = type.GetProperties().FirstOrDefault(p => (p.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name ?? p.Name).Equals(key, StringComparison.OrdinalIgnoreCase));
        return property is not null && Kind(property.PropertyType) is { } kind
            ? $"The setting '{key}' of {owner} is {(settings[key!] is { } value ? $"'{value}'" : "missing")}; it must be {kind}."
            : $"The settings of {owner} cannot be read: {e.Message}";
    }

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
