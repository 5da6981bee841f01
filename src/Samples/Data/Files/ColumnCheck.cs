using System.Globalization;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Commands.Options;

namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>Tells whether a file has the columns that are asked for, in the words of the command line.</summary>
internal static class ColumnCheck
{
    /// <param name="file">The file; its first line names the columns.</param>
    /// <param name="layout">The columns.</param>
    /// <param name="guessed">The options that nobody gave, so that a column of theirs that is missing is a question.</param>
    /// <param name="formatGiven">Whether somebody said how the file is written.</param>
    /// <exception cref="UsageException">A column is missing, or one column is asked for twice; the message names the option.</exception>
    public static void Apply(DataFile file, TextLayout layout, IReadOnlyList<string> guessed, bool formatGiven)
    {
        string[] names = [.. file.FirstLine.Select(n => n?.Trim() ?? "")];
        if (names.Length == 0)
            return;
        var taken = new Dictionary<int, string>();
        (string Option, string What, string? Column)[] used =
        [
            ("--text-column", "the text", layout.Text), ("--text2-column", "the second text", layout.Text2), ("--label-column", "the label", layout.Label),
            ("--weight-column", "the weight", layout.Weight),
        ];
        foreach (var (option, what, column) in used)
        {
            if (column is null)
                continue;
            int position = Position(names, column);
            if (position < 0)
                throw new UsageException($"{file.Name}: {(guessed.Contains(option) ? $"which column is {what}?" : $"{option}: there is no column '{column}'.{Suggestion.For(column, names)}")} "
                    + $"{Found(file, names)} {Hint(file, names, option, formatGiven)}");
            if (!taken.TryAdd(position, option))
                throw new UsageException($"{file.Name}: {taken[position]} and {option} are both '{column}'; a column is one of them.");
        }
    }

    private static int Position(string[] names, string column)
    {
        int named = Array.IndexOf(names, column);
        return named >= 0 ? named : int.TryParse(column, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number <= names.Length ? number - 1 : -1;
    }

    private static string Found(DataFile file, string[] names) =>
        $"{(file.Format == DataFormat.Jsonl ? "The first object" : file.Format == DataFormat.Parquet ? "The file" : "The first line")} has "
        + $"{string.Join(", ", names.Take(20).Select(n => $"'{(n.Length <= 40 ? n : n[..40] + "…")}'"))}{(names.Length > 20 ? $" and {names.Length - 20} more" : "")}.";

    private static string Hint(DataFile file, string[] names, string option, bool formatGiven)
    {
        if (names is [var one] && file.Format is DataFormat.Tsv or DataFormat.Csv)
        {
            if (one.StartsWith('{') || one.StartsWith('['))
                return "It looks like JSON: --format jsonl reads that.";
            if (one.AsSpan().ContainsAny(",;|\t"))
                return file.Format == DataFormat.Csv ? "Is --delimiter what separates its columns?"
                    : $"It is read as tab-separated{(formatGiven ? "" : file.Name == DataFile.StandardName ? ", as nothing else is said" : ", by its ending")}: --format csv reads columns separated by other characters.";
        }
        return $"Name it with {option}, by its name{(names.Length > 1 ? " or number" : "")}."
            + (file.Format is DataFormat.Tsv or DataFormat.Csv ? " If the first line is a row already, give --no-header, and columns by number." : "");
    }
}
