using System.Globalization;
using Microsoft.ML.LoraInit.Glue.Reading;

namespace Microsoft.ML.LoraInit.Glue;

/// <summary>Reads the rows of a file by its layout and checks each cell that is used.</summary>
public static class TextFile
{
    /// <summary>All rows of a tab-separated file, at least one.</summary>
    /// <exception cref="GlueDataException">Something is wrong with the file; the message says where.</exception>
    public static IReadOnlyList<TextFileRow> ReadAll(string path, TextLayout layout, Action<long>? malformed = null) =>
        ReadAll(ReadLines(path), path, layout, malformed);

    /// <summary>All rows of lines that come from anywhere, at least one; <paramref name="path"/> is what messages call them.</summary>
    /// <exception cref="GlueDataException">Something is wrong with the lines; the message says where.</exception>
    public static IReadOnlyList<TextFileRow> ReadAll(IEnumerable<TextFileLine> lines, string path, TextLayout layout, Action<long>? malformed = null)
    {
        List<TextFileRow> rows = [.. Read(lines, path, layout, malformed)];
        return rows.Count > 0 ? rows : throw new GlueDataException(path, null, null,
            layout.HasHeader ? "there is no row after the header." : "the file is empty.");
    }

    /// <summary>
    /// The lines of a tab-separated file, read as they are asked for: UTF-8, and a quotation mark is text. Only an empty last line is left out.
    /// </summary>
    /// <exception cref="GlueDataException">The file is missing, is not readable or is not UTF-8.</exception>
    public static IEnumerable<TextFileLine> ReadLines(string path) => TsvReader.Read(path);

    /// <summary>The lines of a tab-separated stream, which stays open; <paramref name="path"/> is what messages call it.</summary>
    /// <exception cref="GlueDataException">It is not UTF-8.</exception>
    public static IEnumerable<TextFileLine> ReadLines(Stream stream, string path) => TsvReader.Read(stream, path);

    /// <summary>
    /// The rows of a tab-separated file as they are asked for. <paramref name="malformed"/> is told the number of each line left out,
    /// where the layout says to leave them out.
    /// </summary>
    public static IEnumerable<TextFileRow> Read(string path, TextLayout layout, Action<long>? malformed = null) =>
        Read(ReadLines(path), path, layout, malformed);

    /// <summary>
    /// The rows of lines that come from anywhere, as they are asked for; <paramref name="path"/> is what messages call them.
    /// <paramref name="malformed"/> is told the number of each line left out, where the layout says to leave them out.
    /// </summary>
    /// <exception cref="GlueDataException">Something is wrong with the lines; the message says where.</exception>
    public static IEnumerable<TextFileRow> Read(IEnumerable<TextFileLine> lines, string path, TextLayout layout, Action<long>? malformed = null)
    {
        Columns? columns = null;
        foreach (var line in lines)
        {
            if (columns is null)
            {
                layout = layout.For(line.Cells);
                columns = Columns.Find(path, layout, line.Cells);
                if (layout.HasHeader)
                    continue;
            }
            if (!columns.Fits(line.Cells.Count) || (layout.SkipMalformed && columns.Misses(line.Cells)))
            {
                if (!layout.SkipMalformed)
                    throw new GlueDataException(path, line.Number, null,
                        $"{line.Cells.Count} {Columns.Noun(line.Cells.Count)} found, {columns.Expected} expected; --skip-malformed leaves such lines out.");
                malformed?.Invoke(line.Number);
                continue;
            }
            yield return new(
                Cell(path, line, columns.Text, layout.Text),
                columns.Text2 is { } second ? Cell(path, line, second, layout.Text2) : null,
                columns.Label is { } label ? Label(path, layout, line, label) : null)
            {
                Line = line.Number,
                Weight = columns.Weight is { } weight ? Weight(path, layout, line, weight) : 1,
            };
        }
        if (columns is null && layout.HasHeader)
            throw new GlueDataException(path, null, null, "the file is empty.");
    }

    private static float Weight(string path, TextLayout layout, TextFileLine line, int column)
    {
        var cell = Cell(path, line, column, layout.Weight);
        return float.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out var weight) && weight >= 0 && float.IsFinite(weight)
            ? weight
            : throw new GlueDataException(path, line.Number, layout.Weight, $"'{Short(cell)}' is not a weight, which is a finite number of at least 0.");
    }

    private static string Cell(string path, TextFileLine line, int column, string? name) =>
        line.Cells[column] ?? throw new GlueDataException(path, line.Number, name, "there is no value; --skip-malformed leaves such lines out.");

    private static string Label(string path, TextLayout layout, TextFileLine line, int column)
    {
        var value = Cell(path, line, column, layout.Label).Trim();
        if (layout.Kind == TaskKind.MultiLabel)
            return Labels(path, layout, line, value);
        var problem = layout.Kind switch
        {
            TaskKind.Binary => BinaryLabel.TryParse(value, out _) ? null : $"the label '{Short(value)}' is not {BinaryLabel.Spellings}; labels of other names are two of several classes (multiclass).",
            TaskKind.Regression => float.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && float.IsFinite(number)
                ? null : $"'{Short(value)}' is not a finite number{(value.Contains(',') ? ", which is written with a point and without commas" : "")}.",
            _ when value.Length == 0 => "the label is empty.",
            _ => Unknown(layout, value),
        };
        return problem is null ? value : throw new GlueDataException(path, line.Number, layout.Label, problem);
    }

    private static string Labels(string path, TextLayout layout, TextFileLine line, string cell)
    {
        var labels = LabelList.Split(cell, layout.LabelDelimiter);
        return labels.Select(label => Unknown(layout, label)).FirstOrDefault(p => p is not null) is not { } problem
            ? string.Join(layout.LabelDelimiter, labels)
            : throw new GlueDataException(path, line.Number, layout.Label, problem);
    }

    private static string? Unknown(TextLayout layout, string label) => layout.Labels is { } known && !known.Contains(label, StringComparer.Ordinal)
        ? $"unknown label '{Short(label)}'; known are {string.Join(", ", known.Take(MostShown))}{(known.Count > MostShown ? $" and {known.Count - MostShown} more" : "")}."
        : null;

    // Of the classes, in a message of one line.
    private const int MostShown = 20;

    private static string Short(string value) => value.Length <= 40 ? value : value[..40] + "…";

    /// <summary>Positions, from 0, of the columns used.</summary>
    private sealed record Columns(int Text, int? Text2, int? Label, int? Weight, int Count, bool MoreAllowed)
    {
        /// <summary>Whether a column that is read has no value in a row.</summary>
        public bool Misses(IReadOnlyList<string?> cells) =>
            new[] { Text, Text2, Label, Weight }.Any(column => column is { } used && cells[used] is null);

        public string Expected => MoreAllowed ? $"at least {Count}" : $"{Count}";

        public bool Fits(int count) => count == Count || (MoreAllowed && count > Count);

        public static string Noun(int count) => count == 1 ? "column" : "columns";

        public static Columns Find(string path, TextLayout layout, IReadOnlyList<string?> cells)
        {
            string[] first = [.. cells.Select(c => c ?? "")];
            int count = layout.HasHeader ? first.Length : layout.ColumnCount ?? first.Length;
            int Position(string column)
            {
                if (layout.HasHeader && Array.FindIndex(first, name => name.Trim() == column) is >= 0 and var named)
                    return Array.FindLastIndex(first, name => name.Trim() == column) == named ? named
                        : throw new GlueDataException(path, 1, column, "the header has this name twice; say which column is meant by its number, from 1.");
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
                layout.Weight is null ? null : Position(layout.Weight),
                count,
                layout.MoreColumnsAllowed);
        }
    }
}
