namespace Microsoft.ML.LoraInit.Glue;

/// <summary>The labels of a row in one cell: none, one, or several with a delimiter between.</summary>
public static class LabelList
{
    /// <summary>What stands between labels unless a layout says otherwise.</summary>
    public const char DefaultDelimiter = '|';

    /// <summary>The labels, each once, without the blanks around them. What is empty between two delimiters is no label.</summary>
    public static IReadOnlyList<string> Split(string cell, char delimiter) =>
        [.. cell.Split(delimiter, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Distinct(StringComparer.Ordinal)];
}
