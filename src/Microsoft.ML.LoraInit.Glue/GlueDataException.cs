namespace Microsoft.ML.LoraInit;

/// <summary>A data file cannot be used as it is: which file, which line, which column, and what to do.</summary>
public sealed class GlueDataException : Exception
{
    /// <summary>Says where something is wrong.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="line">From 1, the header included; null where the whole file is meant.</param>
    /// <param name="column">The column's name or its number from 1; null where the whole line is meant.</param>
    /// <param name="problem">What was found and what to do, as a sentence.</param>
    /// <param name="inner">What it comes from, or null.</param>
    public GlueDataException(string path, long? line, string? column, string problem, Exception? inner = null)
        : base(Describe(path, line, column) + ": " + problem, inner)
    {
        Path = path;
        Line = line;
        Column = column;
    }

    /// <summary>The file or folder.</summary>
    public string Path { get; }

    /// <summary>From 1, the header included; null where the whole file is meant.</summary>
    public long? Line { get; }

    /// <summary>The column's name or its number from 1; null where the whole line is meant.</summary>
    public string? Column { get; }

    private static string Describe(string path, long? line, string? column) =>
        path + (line is null ? "" : $", line {line}") + (column is null ? "" : $", column {column}");
}
