using Spectre.Console;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>
/// A table that fits the terminal: what does not fit beside the first column goes into a further table below, with the first column
/// again. The first column is text, the others are numbers.
/// </summary>
internal static class TextTable
{
    private const string Gap = "  ";

    // "│ " before a cell and " " behind it, and one more line at the end.
    private const int Border = 3;

    /// <param name="terminal">Where to.</param>
    /// <param name="head">The columns' names.</param>
    /// <param name="rows">A cell for each column.</param>
    /// <param name="total">Whether the last row is of all together.</param>
    public static void Write(Terminal terminal, IReadOnlyList<string> head, IReadOnlyList<string[]> rows, bool total = false)
    {
        int between = terminal.Live ? Border : Gap.Length;
        int[] widths = [.. head.Select((name, i) => rows.Select(r => r[i].Length).Append(name.Length).Max())];
        // However long the names are, a number stands beside them.
        int widest = widths.Skip(1).DefaultIfEmpty(0).Max();
        widths[0] = Math.Min(widths[0], Math.Max(8, terminal.Width - widest - 2 * between - 1));
        for (int first = 1, last; first < Math.Max(2, head.Count); first = last)
        {
            int used = widths[0] + 2 * between + 1;
            for (last = first; last < head.Count && (last == first || used + widths[last] + between <= terminal.Width + 1); last++)
                used += widths[last] + (last == first ? 0 : between);
            int[] columns = [0, .. Enumerable.Range(first, Math.Max(0, last - first))];
            if (first > 1)
                terminal.Output.WriteLine();
            Block(terminal, columns, widths, head, rows, total);
            last = Math.Max(last, first + 1);
        }
    }

    /// <summary>A text in at most so many letters.</summary>
    public static string Short(string text, int width) => text.Length <= width ? text : text[..Math.Max(1, width - 1)] + "…";

    private static void Block(Terminal terminal, int[] columns, int[] widths, IReadOnlyList<string> head, IReadOnlyList<string[]> rows, bool total)
    {
        string[] Cells(IReadOnlyList<string> row) => [.. columns.Select(c => Short(row[c], widths[c]))];
        if (!terminal.Live)
        {
            foreach (var row in rows.Prepend([.. head]))
                terminal.Output.WriteLine(string.Join(Gap, Cells(row).Select((cell, i) => i == 0 ? cell.PadRight(widths[0]) : cell.PadLeft(widths[columns[i]]))).TrimEnd());
            return;
        }
        var table = new Table().Border(TableBorder.Rounded);
        foreach (var (name, i) in Cells(head).Select((name, i) => (name, i)))
            table.AddColumn(new TableColumn(Markup.Escape(name)) { Alignment = i == 0 ? Justify.Left : Justify.Right, NoWrap = true });
        for (int r = 0; r < rows.Count; r++)
            table.AddRow([.. Cells(rows[r]).Select(cell => total && r == rows.Count - 1 ? $"[bold]{Markup.Escape(cell)}[/]" : Markup.Escape(cell))]);
        terminal.Console.Write(table);
    }
}
