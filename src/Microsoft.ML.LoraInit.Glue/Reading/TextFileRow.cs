namespace Microsoft.ML.LoraInit.Glue;

/// <summary>A row as its file has it; the label is checked but still text, a list of labels without blanks and repetitions.</summary>
/// <param name="Text">The text.</param>
/// <param name="Text2">The second text of a pair, or null.</param>
/// <param name="Label">The label, or null where the layout reads none.</param>
public sealed record TextFileRow(string Text, string? Text2, string? Label)
{
    /// <summary>Number of the line, from 1, a header included; 0 for a row of no file.</summary>
    public long Line { get; init; }

    /// <summary>How much the row counts in training; 1 where the layout reads no weights.</summary>
    public float Weight { get; init; } = 1;

    /// <summary>Whether two rows have the same content, wherever they stand.</summary>
    public bool Equals(TextFileRow? other) => other is not null && (Text, Text2, Label, Weight) == (other.Text, other.Text2, other.Label, other.Weight);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Text, Text2, Label);
}
