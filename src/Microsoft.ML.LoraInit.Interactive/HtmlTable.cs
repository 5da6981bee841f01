using System.Globalization;
using System.Net;
using System.Text;

namespace Microsoft.ML.LoraInit.Interactive;

/// <summary>A table with a header; numbers are to the right, everything else is escaped.</summary>
internal static class HtmlTable
{
    /// <param name="header">The columns' names; a column in which no row has a value is left out.</param>
    /// <param name="rows">Texts and numbers; null for no value.</param>
    public static string Write(string[] header, IReadOnlyList<object?[]> rows)
    {
        var shown = Enumerable.Range(0, header.Length).Where(c => rows.Any(r => r[c] is not null)).ToArray();
        var html = new StringBuilder("<table><thead><tr>");
        foreach (int c in shown)
            html.Append($"<th>{WebUtility.HtmlEncode(header[c])}</th>");
        html.Append("</tr></thead><tbody>");
        foreach (var row in rows)
        {
            html.Append("<tr>");
            foreach (int c in shown)
                html.Append(row[c] is string text ? $"<td style=\"text-align:left\">{WebUtility.HtmlEncode(text)}</td>" : $"<td style=\"text-align:right\">{Number(row[c])}</td>");
            html.Append("</tr>");
        }
        return html.Append("</tbody></table>").ToString();
    }

    private static string Number(object? value) => value switch
    {
        null => "",
        double number => number.ToString("G4", CultureInfo.InvariantCulture),
        IFormattable whole => whole.ToString(null, CultureInfo.InvariantCulture),
        _ => WebUtility.HtmlEncode(value.ToString() ?? ""),
    };
}
