namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>How rows of text are written in a file.</summary>
internal enum DataFormat
{
    /// <summary>Columns separated by tabs, without quoting: a quotation mark is text.</summary>
    Tsv,

    /// <summary>Columns separated by commas or another character, in quotation marks where needed (RFC 4180).</summary>
    Csv,

    /// <summary>A JSON object a line.</summary>
    Jsonl,

    /// <summary>Apache Parquet.</summary>
    Parquet,
}

internal static class DataFormats
{
    public static IReadOnlyList<string> Names { get; } = [.. Enum.GetNames<DataFormat>().Select(n => n.ToLowerInvariant())];

    /// <summary>The format that a file's ending stands for; tab-separated where it stands for none.</summary>
    public static DataFormat Of(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".csv" => DataFormat.Csv,
        ".jsonl" or ".ndjson" => DataFormat.Jsonl,
        ".parquet" => DataFormat.Parquet,
        _ => DataFormat.Tsv,
    };
}
