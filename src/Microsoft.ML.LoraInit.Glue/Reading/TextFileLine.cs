namespace Microsoft.ML.LoraInit.Glue;

/// <summary>One row of a file in its columns, before anybody asks which of them are needed.</summary>
/// <param name="Number">The line it begins at, from 1, a header included.</param>
/// <param name="Cells">The text of each column; null where the row has no value there.</param>
public readonly record struct TextFileLine(long Number, IReadOnlyList<string?> Cells);
