using System.Globalization;
using Microsoft.ML.LoraInit.Samples.Commands.Options;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary>
/// Ranks of particular layers on the command line: <c>query=4,value=12</c> (a name's end, or an expression, and its rank; the first that
/// fits counts), or <c>2..12</c> for ranks that rise evenly from the first encoder layer to the last.
/// </summary>
internal static class RankPatternText
{
    /// <summary>As an option; how many layers there are is known only once the base is open.</summary>
    public static OptionValue Value { get; } = new(
        "NAME=N,…|N..N",
        text => Parse("", text, () => 2),
        value => (IReadOnlyDictionary<string, int>)value is { Count: > 0 } pattern ? string.Join(',', pattern.Select(p => $"{p.Key}={p.Value}")) : null);

    /// <param name="option">The option's name, for messages; empty where they begin elsewhere.</param>
    /// <param name="text">What was given.</param>
    /// <param name="layers">How many layers the encoder has; asked for where the ranks rise.</param>
    /// <exception cref="UsageException">It is of neither form.</exception>
    public static IReadOnlyDictionary<string, int> Parse(string option, string text, Func<int> layers)
    {
        if (!text.Contains('=') && text.Split("..") is [var first, var last]) // an expression may hold two dots
            return Rising(Rank(option, first), Rank(option, last), layers());
        var pattern = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var at = part.LastIndexOf('=');
            if (at < 1)
                throw new UsageException($"{Prefix(option)}'{part}' is neither of the form name=rank, nor the whole of the form first..last.");
            pattern[part[..at]] = Rank(option, part[(at + 1)..]);
        }
        return pattern.Count > 0 ? pattern : throw new UsageException($"{Prefix(option)}the pattern is empty; give name=rank, or first..last for ranks that rise from layer to layer.");
    }

    private static Dictionary<string, int> Rising(int first, int last, int layers) => Enumerable.Range(0, layers).ToDictionary(
        layer => $@"layer\.{layer}\..*",
        layer => (int)Math.Round(first + (double)(last - first) * layer / Math.Max(1, layers - 1), MidpointRounding.AwayFromZero));

    private static int Rank(string option, string text) =>
        int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var rank) && rank > 0
            ? rank
            : throw new UsageException($"{Prefix(option)}'{text}' is no rank; it must be a whole number of at least 1.");

    private static string Prefix(string option) => option.Length == 0 ? "" : $"{option}: ";
}
