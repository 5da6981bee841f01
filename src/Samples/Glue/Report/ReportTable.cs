namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>A table, whatever it is written as.</summary>
/// <param name="Id">An anchor.</param>
/// <param name="Title">The heading.</param>
/// <param name="Note">A sentence on how to read it.</param>
/// <param name="Headers">One a column.</param>
/// <param name="Rows">As many cells as there are headers.</param>
internal sealed record ReportTable(string Id, string Title, string Note, IReadOnlyList<TableCell> Headers, IReadOnlyList<IReadOnlyList<TableCell>> Rows);

/// <param name="Text">The figure.</param>
/// <param name="Detail">What stands behind it, smaller.</param>
/// <param name="Mark">Emphasis.</param>
internal readonly record struct TableCell(string Text, string? Detail = null, CellMark Mark = CellMark.None)
{
    public static readonly TableCell Missing = new("–", null, CellMark.Muted);

    public static implicit operator TableCell(string text) => new(text);
}

internal enum CellMark
{
    None,

    /// <summary>The highest of its column, among figures over equally many seeds.</summary>
    Best,

    /// <summary>Nothing was measured, or others measured it.</summary>
    Muted,

    /// <summary>Above the reference, by a test that counts the whole table.</summary>
    Better,

    /// <summary>Below it.</summary>
    Worse,
}
