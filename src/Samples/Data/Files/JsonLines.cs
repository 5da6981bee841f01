using System.Text.Json;
using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>
/// Reads a JSON object a line, or one list of objects, of which each counts as a line, the first as 1. The first object's keys are the
/// columns; what others have beside them is left out.
/// </summary>
internal static class JsonLines
{
    private const string Expected = "a line of JSONL is one object, and a file of JSON may be a list of objects.";

    /// <param name="reader">The text.</param>
    /// <param name="path">What messages call it.</param>
    /// <param name="known">Is told which column may hold lists before the first row is asked for.</param>
    /// <param name="skipMalformed">Give a line that is no object as one without cells, and a value that cannot be read as a missing one, instead of refusing it.</param>
    /// <exception cref="GlueDataException">A line is not an object, or a value that is read not a text, a number, true, false or a list of labels.</exception>
    public static IEnumerable<TextFileLine> Read(TextReader reader, string path, JsonRows known, bool skipMalformed)
    {
        string[]? columns = null;
        foreach (var (number, row) in Objects(reader, path, skipMalformed))
        {
            if (row is null)
            {
                // Without an object before it nobody knows the columns yet.
                if (columns is not null)
                    yield return new(number, []);
                continue;
            }
            if (columns is null)
            {
                columns = [.. row.Keys];
                yield return new(number, columns);
            }
            Func<string, string, Exception> refuse = (column, problem) => new GlueDataException(path, number, column, problem);
            yield return new(number, new JsonCells(columns, row, known, skipMalformed ? null : refuse));
        }
    }

    private static IEnumerable<(long Number, Dictionary<string, JsonElement>? Row)> Objects(TextReader reader, string path, bool skipMalformed)
    {
        long number = 0;
        bool first = true;
        while (reader.ReadLine() is { } line)
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            if (first && line.AsSpan().TrimStart() is ['[', ..])
            {
                number = 0;
                foreach (var item in List(line + "\n" + reader.ReadToEnd(), path))
                    yield return (++number, Row(item, path, number, skipMalformed));
                yield break;
            }
            first = false;
            yield return (number, Parse(line, path, number, skipMalformed) is { } json ? Row(json, path, number, skipMalformed) : null);
        }
    }

    private static IEnumerable<JsonElement> List(string text, string path)
    {
        try
        {
            return [.. JsonElement.Parse(text).EnumerateArray()];
        }
        catch (JsonException e)
        {
            throw new GlueDataException(path, e.LineNumber + 1, null, $"the file begins as a list and is not JSON here (byte {e.BytePositionInLine}); {Expected}", e);
        }
    }

    private static JsonElement? Parse(string line, string path, long number, bool skipMalformed)
    {
        try
        {
            return JsonElement.Parse(line);
        }
        catch (JsonException e)
        {
            return skipMalformed ? null : throw new GlueDataException(path, number, null, $"this is not JSON (byte {e.BytePositionInLine}); {Expected}", e);
        }
    }

    private static Dictionary<string, JsonElement>? Row(JsonElement json, string path, long number, bool skipMalformed)
    {
        if (json.ValueKind != JsonValueKind.Object)
            return skipMalformed ? null : throw new GlueDataException(path, number, null, $"this is not a JSON object ({{…}}); {Expected}");
        var row = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var property in json.EnumerateObject())
            row[property.Name] = property.Value;
        return row;
    }
}
