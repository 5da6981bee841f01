using System.Text.RegularExpressions;

namespace Microsoft.ML.LoraInit.Samples.Commands.Options;

/// <summary>Messages of the library in the words of the command line: <c>Rank = 0</c> becomes <c>--rank 0</c>.</summary>
internal static class OptionNames
{
    /// <summary>By the property's name; what a command of its own reads, too.</summary>
    private static readonly Lazy<Dictionary<string, string>> Names = new(() =>
    {
        var names = TrainerOption.All().ToDictionary(o => o.Property, o => o.Name, StringComparer.Ordinal);
        foreach (var (property, left) in TrainerOptionTable.Left)
            if (Regex.Match(left, "--[a-z0-9-]+") is { Success: true } typed)
                names[property] = typed.Value;
        return names;
    });

    /// <summary>What is typed for a property of the trainers' options; its name where nothing is.</summary>
    public static string Of(string property) => Names.Value.GetValueOrDefault(property, property);

    /// <summary>The message with every option's name as it is typed.</summary>
    public static string Translate(string message)
    {
        foreach (var (property, name) in Names.Value)
        {
            // A name that is an ordinary word counts only where it cannot be one.
            bool word = !property.Skip(1).Any(char.IsUpper);
            message = Regex.Replace(message, $@"(?<![\w-])Options\.{property}\b(?! =)", name);
            message = Regex.Replace(message, $@"(?<![\w-])(?:Options\.)?{property} = (-?\w[\w.+-]*)", m => $"{name} {Value(m.Groups[1].Value)}");
            message = Regex.Replace(message, $@"(?<![\w-]){property}\.([A-Z]\w+)\b(?!\()", m => $"{name} {OptionValue.Kebab(m.Groups[1].Value)}");
            if (!word)
                message = Regex.Replace(message, $@"(?<![\w-]){property}\b(?!\.\w|\()", name);
        }
        return message.Replace(", or null for", ", or leave it out for", StringComparison.Ordinal).Replace("set Data,", "give --train,", StringComparison.Ordinal).Replace(", or leave both null", ", or leave both out", StringComparison.Ordinal);
    }

    // Enums by their names here; numbers and names as they are.
    private static string Value(string value) => value is not "NaN" && value.Length > 1 && char.IsUpper(value[0]) && value.Skip(1).All(c => char.IsLetterOrDigit(c)) ? OptionValue.Kebab(value) : value;
}
