using System.Globalization;
using Microsoft.ML.LoraInit.Glue.Reading;

namespace Microsoft.ML.LoraInit.Glue;

/// <summary>Reads the rows of a file by its layout and checks each cell that is used.</summary>
public static class TextFile
{
    /// <summary>All rows, at least one.</summary>
    /// <exception cref="GlueDataException">Something is wrong with the file; the message says where.</exception>
    public static IReadOnlyList<TextFileRow> ReadAll(string path, TextLayout layout, Action<long>? malformed = null)
    {
        List<TextFileRow> rows = [.. Read(path, layout, malformed)];
        return rows.Count > 0 ? rows : throw new GlueDataException(path, null, null,
            layout.HasHeader ? "there is no row after the header." : "the file is empty.");
    }

    /// <summary>
    /// The rows as they are asked for. <paramref name="malformed"/> is told the number of each line left out, where the
    /// layout says to leave them out.
    /// </summary>
    public static IEnumerable<TextFileRow> Read(string path, TextLayout layout, Action<long>? malformed = null)
    {
        Columns? columns = null;
        foreach (var line in TsvReader.Read(path))
        {
            if (columns is null)
            {
                columns = Columns.Find(path, layout, line.Cells);
                if (layout.HasHeader)
                    continue;
            }
            if (!columns.Fits(line.Cells.Length))
            {
                if (!layout.SkipMalformed)
                    throw new GlueDataException(path, line.Number, null,
                        $"{line.Cells.Length} columns found, {columns.Expected} expected. Columns are separated by tabs; --skip-malformed leaves such lines out.");
                malformed?.Invoke(line.Number);
                continue;
            }
            yield return new(
                line.Cells[columns.Text],
                columns.Text2 is { } second ? line.Cells[second] : null,
                columns.Label is { } label ? Label(path, layout, line, label) : null);
        }
        if (columns is null && layout.HasHeader)
            throw new GlueDataException(path, null, null, "the file is empty.");
    }

    private static string Label(string path, TextLayout layout, TsvLine line, int column)
    {
        var value = line.Cells[column].Trim();
        if (layout.Kind == TaskKind.MultiLabel)
            return Labels(path, layout, line, value);
        var problem = layout.Kind switch
        {
            TaskKind.Binary => value.ToLowerInvariant() is "0" or "1" or "true" or "false" ? null : $"the label '{Short(value)}' is not 0, 1, true or false.",
            TaskKind.Regression => float.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && float.IsFinite(number)
                ? null : $"'{Short(value)}' is not a finite number.",
            _ when value.Length == 0 => "the label is empty.",
            _ => Unknown(layout, value),
        };
        return problem is null ? value : throw new GlueDataException(path, line.Number, layout.Label, problem);
    }

    private static string Labels(string path, TextLayout layout, TsvLine line, string cell)
    {
        var labels = LabelList.Split(cell, layout.LabelDelimiter);
        return labels.Select(label => Unknown(layout, label)).FirstOrDefault(p => p is not null) is not { } problem
            ? string.Join(layout.LabelDelimiter, labels)
            : throw new GlueDataException(path, line.Number, layout.Label, problem);
    }

    private static string? Unknown(TextLayout layout, string label) => layout.Labels is { } known && !known.Contains(label, StringComparer.Ordinal)
        ? $"unknown label '{Short(label)}'; known are {string.Join(", ", known)}."
        : null;

    private static string Short(string value) => value.Length <= 40 ? value : value[..40] + "…";

    /// <summary>Positions, from 0, of the columns used.</summary>
    private sealed record Columns(int Text, int? Text2, int? Label, int Count, bool MoreAllowed)
    {
        public string Expected => MoreAllowed ? $"at least {Count}" : $"{Count}";

        public bool Fits(int count) => count == Count || (MoreAllowed && count > Count);

        public static Columns Find(string path, TextLayout layout, string[] first)
        {
            int count = layout.HasHeader ? first.Length : layout.ColumnCount ?? first.Length;
            int Position(string column)
            {
                if (layout.HasHeader && Array.FindIndex(first, name => name.Trim() == column) is >= 0 and var named)
                    return named;
                if (int.TryParse(column, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= count)
                    return number - 1;
                throw new GlueDataException(path, layout.HasHeader ? 1 : null, column, layout.HasHeader
                    ? $"there is no such column; the header has {string.Join(", ", first.Select(n => $"'{Short(n.Trim())}'"))}."
                    : $"a file without header needs a column number from 1 to {count}.");
            }
            return new(
                Position(layout.Text),
                layout.Text2 is null ? null : Position(layout.Text2),
                layout.Label is null ? null : Position(layout.Label),
                count,
                layout.MoreColumnsAllowed);
        }
    }
}
