using System.Collections;
using System.Text.Json;

namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>
/// The values of a JSON object by the first object's keys. A value that is no text or number is refused when it is read, not before:
/// what nobody asks for may stand beside the columns.
/// </summary>
/// <param name="columns">The keys.</param>
/// <param name="row">The object.</param>
/// <param name="rows">What is known of all rows.</param>
/// <param name="refuse">Throws for a column and what is wrong with it; null to give such a value as a missing one.</param>
internal sealed class JsonCells(string[] columns, Dictionary<string, JsonElement> row, JsonRows rows, Func<string, string, Exception>? refuse) : IReadOnlyList<string?>
{
    public int Count => columns.Length;

    public string? this[int index] => row.TryGetValue(columns[index], out var value) ? Text(value, columns[index]) : null;

    public IEnumerator<string?> GetEnumerator() => Enumerable.Range(0, Count).Select(i => this[i]).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private string? Text(JsonElement value, string column) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
        JsonValueKind.Array when column == rows.ListColumn => List(value, column),
        JsonValueKind.Array => Refuse(column, "a list is neither a text nor one label; --kind multilabel reads lists of labels."),
        _ => Refuse(column, "an object is neither a text nor a label."),
    };

    private string? List(JsonElement value, string column)
    {
        foreach (var item in value.EnumerateArray())
            if (item.ValueKind is not (JsonValueKind.String or JsonValueKind.Number) || item.ToString().Contains(rows.LabelDelimiter))
                return Refuse(column, $"a list holds texts without '{rows.LabelDelimiter}' or numbers, not {item.GetRawText()} (--label-delimiter chooses another character).");
        return string.Join(rows.LabelDelimiter, value.EnumerateArray().Select(item => item.ToString()));
    }

    private string? Refuse(string column, string problem) => refuse is null ? null : throw refuse(column, problem);
}

/// <summary>What is known of a file's rows once somebody has said which column is which.</summary>
internal sealed class JsonRows
{
    /// <summary>What to put between the labels of a list.</summary>
    public required char LabelDelimiter { get; init; }

    /// <summary>The column that may hold lists of labels.</summary>
    public string? ListColumn { get; set; }
}
