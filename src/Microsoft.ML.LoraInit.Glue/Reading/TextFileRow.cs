namespace Microsoft.ML.LoraInit.Glue;

/// <summary>A row as its file has it; the label is checked but still text, a list of labels without blanks and repetitions.</summary>
/// <param name="Text">The text.</param>
/// <param name="Text2">The second text of a pair, or null.</param>
/// <param name="Label">The label, or null where the layout reads none.</param>
public sealed record TextFileRow(string Text, string? Text2, string? Label);
