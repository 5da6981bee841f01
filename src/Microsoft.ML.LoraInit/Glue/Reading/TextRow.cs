namespace Microsoft.ML.LoraInit.Glue.Reading;

/// <summary>A row as its file has it; the label is checked but still text, a list of labels without blanks and repetitions.</summary>
internal sealed record TextRow(string Text, string? Text2, string? Label);
