using System.Text.Json;
using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>Reads a JSON object a line. The first object's keys are the columns; what others have beside them is left out.</summary>
internal static class JsonLines
{
    /// <param name="reader">The text.</param>
    /// <param name="path">What messages call it.</param>
    /// <param name="labelDelimiter">What to put between the texts of a list.</param>
    /// <param name="skipMalformed">Give a line that is no object as one without cells instead of refusing it.</param>
    /// <exception cref="GlueDataException">A line is not an object, or a value not a text, a number, true, false or a list of texts.</exception>
    public static IEnumerable<TextFileLine> Read(TextReader reader, string path, char labelDelimiter, bool skipMalformed)
    {
        string[]? columns = null;
        long number = 0;
        while (reader.ReadLine() is { } line)
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            var row = Parse(line, path, number, labelDelimiter, skipMalformed);
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
            yield return new(number, Array.ConvertAll(columns, row.GetValueOrDefault));
        }
    }

    private static Dictionary<string, string?>? Parse(string line, string path, long number, char labelDelimiter, bool skipMalformed)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                throw new GlueDataException(path, number, null, "this is not a JSON object ({…}); a line of JSONL is one.");
            var row = new Dictionary<string, string?>(StringComparer.Ordinal);
            foreach (var property in json.RootElement.EnumerateObject())
                row[property.Name] = Text(property.Value, labelDelimiter, problem => new GlueDataException(path, number, property.Name, problem));
            return row;
        }
        catch (Exception e) when (skipMalformed && e is JsonException or GlueDataException)
        {
            return null;
        }
        catch (JsonException e)
        {
            throw new GlueDataException(path, number, null, $"this is not JSON (byte {e.BytePositionInLine}); a line of JSONL is one object.", e);
        }
    }

    private static string? Text(JsonElement value, char labelDelimiter, Func<string, Exception> fail) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
        JsonValueKind.Array => string.Join(labelDelimiter, value.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.String && item.GetString() is { } label && !label.Contains(labelDelimiter)
            ? label
            : throw fail($"a list holds texts without '{labelDelimiter}' alone, not {item.GetRawText()} (--label-delimiter chooses another character)."))),
        _ => throw fail("an object is neither a text nor a label."),
    };
}
