namespace Microsoft.ML.LoraInit.Glue;

/// <summary>The task families of ML.NET that a file can be meant for.</summary>
public enum TaskKind
{
    /// <summary>One of several classes; the label is any text.</summary>
    Multiclass,

    /// <summary>Yes or no; the label is 0, 1, true, false, yes or no.</summary>
    Binary,

    /// <summary>Any of several labels; the label is a list of names, which may be empty.</summary>
    MultiLabel,

    /// <summary>A number.</summary>
    Regression,
}

/// <summary>Where a file of texts has what.</summary>
public sealed record TextLayout
{
    /// <summary>A preset's name, or the kind for a layout given by columns; reports carry it.</summary>
    public required string Name { get; init; }

    /// <summary>What the label is.</summary>
    public required TaskKind Kind { get; init; }

    /// <summary>Column of the text: a name of the header, or a number from 1.</summary>
    public required string Text { get; init; }

    /// <summary>Column of a pair's second text, or null.</summary>
    public string? Text2 { get; init; }

    /// <summary>Column of the label, or null where none is read.</summary>
    public string? Label { get; init; }

    /// <summary>Column of how much a row counts in training, or null for rows that all count the same.</summary>
    public string? Weight { get; init; }

    /// <summary>Whether the first line names the columns.</summary>
    public bool HasHeader { get; init; } = true;

    /// <summary>Columns a line of a file without header has; null for as many as the first line has.</summary>
    public int? ColumnCount { get; init; }

    /// <summary>Whether lines may go on after <see cref="ColumnCount"/>.</summary>
    public bool MoreColumnsAllowed { get; init; }

    /// <summary>The classes or labels in their order; null to take the ones found in the training file, sorted.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>What stands between the labels of a row that may have several.</summary>
    public char LabelDelimiter { get; init; } = LabelList.DefaultDelimiter;

    /// <summary>Forms of the same data with other columns, known by the names in their first line.</summary>
    internal IReadOnlyList<TextLayout> Others { get; init; } = [];

    /// <summary>Leave out lines with a wrong number of columns, or without a value that is read, instead of refusing the file.</summary>
    public bool SkipMalformed { get; init; }

    /// <summary>This layout, or the other form that a file's first line shows it to have.</summary>
    internal TextLayout For(IReadOnlyList<string?> firstLine)
    {
        var other = Others.FirstOrDefault(o => (Label is null || o.Label is not null)
            && new[] { o.Text, o.Text2, Label is null ? null : o.Label }.All(name => name is null || firstLine.Any(cell => cell?.Trim() == name)));
        return other is null ? this : other with { Label = Label is null ? null : other.Label, SkipMalformed = SkipMalformed };
    }
}
