using System.Globalization;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Data;

/// <summary>What looks like a mistake in training rows and does not have to be one: said, and used as it is.</summary>
internal static class LabelNotes
{
    /// <summary>A sentence a thing.</summary>
    /// <param name="rows">The training rows.</param>
    /// <param name="classes">Their classes or labels, where labels are those.</param>
    /// <param name="kind">What the labels are.</param>
    public static IEnumerable<string> Of(IReadOnlyList<TextFileRow> rows, IReadOnlyList<string> classes, TaskKind kind)
    {
        int empty = rows.Count(r => string.IsNullOrWhiteSpace(r.Text));
        if (empty > 0)
            yield return $"{Count.Of(empty, "training row")} of {rows.Count:N0} {(empty == 1 ? "has" : "have")} an empty text.";
        foreach (var group in classes.GroupBy(Plain, StringComparer.Ordinal).Where(g => g.Count() > 1))
            yield return $"{string.Join(" and ", group.Select(c => $"'{c}'"))} are {group.Count()} classes; if they mean one, write them alike.";
        if (kind == TaskKind.MultiLabel && classes.FirstOrDefault(c => c.AsSpan().ContainsAny(",;|")) is { } several)
            yield return $"'{several}' is one label; if it is several, say with --label-delimiter what separates them.";
        if (kind == TaskKind.Regression && rows.Count > 1 && rows.All(r => r.Label == rows[0].Label))
            yield return $"every label is {rows[0].Label}, so there is nothing to learn.";
    }

    // Numbers of one value, and words in one spelling but for case and blanks.
    private static string Plain(string label) => double.TryParse(label, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
        ? number.ToString("R", CultureInfo.InvariantCulture)
        : string.Join(' ', label.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).ToUpperInvariant();
}
