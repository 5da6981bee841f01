using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>Writes rows of texts and floats in one of the formats; Parquet's rows as tab-separated ones. Lines end in LF.</summary>
internal sealed class RowWriter
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly TextWriter _writer;
    private readonly DataFormat _format;
    private readonly string[] _header;

    public RowWriter(TextWriter writer, DataFormat format, string[] header)
    {
        (_writer, _format, _header) = (writer, format, header);
        if (format != DataFormat.Jsonl)
            Line(Separated(header));
    }

    /// <summary>A row with a text or a float for each column; in JSONL a list of floats too.</summary>
    public void Write(object[] cells) => Line(_format == DataFormat.Jsonl
        ? new JsonObject(_header.Zip(cells, (name, cell) => KeyValuePair.Create(name, Node(cell)))).ToJsonString(Plain)
        : Separated(cells));

    /// <summary>A row without values.</summary>
    public void WriteEmpty() => Line(_format == DataFormat.Jsonl ? "{}" : Separated(Array.ConvertAll(_header, _ => "")));

    private static JsonNode? Node(object cell) => cell switch
    {
        float value => JsonValue.Create(value),
        float[] values => new JsonArray(Array.ConvertAll(values, v => (JsonNode?)JsonValue.Create(v))),
        _ => JsonValue.Create((string)cell),
    };

    private void Line(string line)
    {
        _writer.Write(line);
        _writer.Write('\n');
    }

    private string Separated(object[] cells)
    {
        var texts = cells.Select(cell => cell is float value ? value.ToString("R", CultureInfo.InvariantCulture) : (string)cell);
        return _format == DataFormat.Csv ? string.Join(',', texts.Select(Quoted)) : string.Join('\t', texts);
    }

    private static string Quoted(string cell) =>
        cell.AsSpan().ContainsAny(",\"\r\n") ? $"\"{cell.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : cell;
}
