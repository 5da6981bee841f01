namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>How rows of text are written in a file.</summary>
internal enum DataFormat
{
    /// <summary>Columns separated by tabs, without quoting: a quotation mark is text.</summary>
    Tsv,

    /// <summary>Columns separated by commas or another character, in quotation marks where needed (RFC 4180).</summary>
    Csv,

    /// <summary>A JSON object a line, or a list of them.</summary>
    Jsonl,

    /// <summary>Apache Parquet.</summary>
    Parquet,
}

internal static class DataFormats
{
    public static IReadOnlyList<string> Names { get; } = [.. Enum.GetNames<DataFormat>().Select(n => n.ToLowerInvariant())];

    /// <summary>The format that a file's ending stands for; tab-separated where it stands for none.</summary>
    public static DataFormat Of(string path) => Path.GetExtension(IsGzip(path) ? path[..^3] : path).ToLowerInvariant() switch
    {
        ".csv" => DataFormat.Csv,
        ".jsonl" or ".ndjson" or ".json" => DataFormat.Jsonl,
        ".parquet" => DataFormat.Parquet,
        _ => DataFormat.Tsv,
    };

    /// <summary>Whether a file is compressed by gzip, by its ending.</summary>
    public static bool IsGzip(string path) => path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);

    /// <summary>The format in which to write a file of this name.</summary>
    /// <exception cref="UsageException">Its ending stands for what is not written.</exception>
    public static DataFormat ToWrite(string path, string option) =>
        Path.GetExtension(path).ToLowerInvariant() is ".parquet" or ".gz" or ".zip" or ".xlsx" or ".xls"
            ? throw new UsageException($"{option}: {path} would be {Path.GetExtension(path)[1..]}, which is not written here; give a name that ends in .tsv, .csv or .jsonl.")
            : Of(path);
}
