using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>Finds the columns that nobody named, where the header leaves one answer.</summary>
internal static class ColumnGuess
{
    private static readonly string[] Texts =
        ["text", "texts", "sentence", "utterance", "query", "question", "message", "content", "comment", "review", "body", "document", "tweet", "description", "input"];

    private static readonly string[] Labels =
        ["label", "labels", "category", "categories", "intent", "class", "target", "topic", "tag", "tags", "sentiment", "score", "rating"];

    private static readonly (string First, string Second)[] Pairs =
    [
        ("text", "text2"), ("text1", "text2"), ("sentence1", "sentence2"), ("question1", "question2"), ("premise", "hypothesis"),
        ("text_a", "text_b"), ("question", "sentence"), ("query", "document"),
    ];

    /// <param name="layout">Has its columns' defaults.</param>
    /// <param name="header">The names of the columns.</param>
    /// <param name="textGiven">Whether a column of texts was named; none is then guessed.</param>
    /// <param name="labelGiven">Whether the column of labels was named.</param>
    /// <param name="pair">Whether the model reads pairs; null where that is open.</param>
    /// <returns>The layout with the columns found; unchanged where there is nothing to find.</returns>
    /// <exception cref="UsageException">Several columns could be meant.</exception>
    public static TextLayout Apply(TextLayout layout, IReadOnlyList<string?> header, bool textGiven, bool labelGiven, bool? pair)
    {
        string[] names = [.. header.Select(n => n?.Trim() ?? "")];
        if (layout.Label is { } label && !labelGiven && !names.Contains(label))
            layout = layout with { Label = One(names, Labels, [], "--label-column") ?? Other(names, Texts) ?? label };
        if (textGiven || (names.Contains(layout.Text) && pair is not true))
            return layout;
        if (pair is not false)
        {
            var pairs = Pairs.Select(p => (First: Named(names, p.First), Second: Named(names, p.Second))).Where(p => p.First is not null && p.Second is not null).ToArray();
            if (pairs.Length == 1)
                return layout with { Text = pairs[0].First!, Text2 = pairs[0].Second };
        }
        string[] taken = layout.Label is null ? [] : [layout.Label];
        var text = One(names, Texts, taken, "--text-column");
        // Two columns of which one is the label leave the other.
        if (text is null && names.Length == 2 && layout.Label is not null && names.Contains(layout.Label))
            text = names.Single(n => n != layout.Label);
        return text is null ? layout : layout with { Text = text };
    }

    // Two columns of which one is the text leave the other.
    private static string? Other(string[] names, string[] known) =>
        names.Length == 2 && names.Count(n => known.Contains(n, StringComparer.OrdinalIgnoreCase)) == 1 ? names.Single(n => !known.Contains(n, StringComparer.OrdinalIgnoreCase)) : null;

    private static string? Named(string[] names, string name) =>
        names.Where(n => string.Equals(n, name, StringComparison.OrdinalIgnoreCase)).ToArray() is [var one] ? one : null;

    private static string? One(string[] names, string[] known, string[] taken, string option)
    {
        string[] found = [.. names.Where(n => known.Contains(n, StringComparer.OrdinalIgnoreCase) && !taken.Contains(n))];
        if (found.Length > 1 && found.Distinct().Count() == 1)
            throw new UsageException($"{option}: the header has '{found[0]}' {found.Length} times; say which column is meant by its number, from 1.");
        return found.Length <= 1 ? found.FirstOrDefault() : throw new UsageException($"{option}: {string.Join(" and ", found.Select(n => $"'{n}'"))} could all be meant; name one.");
    }
}
