using System.Globalization;
using System.Text;
using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit.Samples.Pages.Run;

/// <summary>The rows that a model was most wrong about, with their texts.</summary>
internal static class Errors
{
    public static void Write(StringBuilder body, RunFacts facts, int most)
    {
        bool numbers = facts.Kind == TaskKind.Regression;
        var worst = facts.Rows.Where(r => numbers || !r.Right).OrderByDescending(r => r.Loss).Take(most).ToArray();
        int wrong = facts.Rows.Count(r => !r.Right);
        body.Append("<h2>The worst errors</h2>\n");
        if (worst.Length == 0)
        {
            body.Append($"<p>All {facts.Rows.Count} rows are right.</p>\n");
            return;
        }
        var said = numbers ? $"The {worst.Length} values farthest from the true ones." : $"{worst.Length} of {wrong} wrong answers, those first for whose truth the model had the lowest probability. A label may be what is wrong.";
        var marked = facts.Explain is null ? "" : " Marked red: what spoke for the answer given; blue: what spoke against it.";
        body.Append($"<p class=\"note\">{said}{marked}</p>\n<ol class=\"errors\">\n");
        foreach (var row in worst)
        {
            body.Append($"<li><p>{Text(row, facts.Explain)}</p><small>true <b>{Page.Encode(row.Actual)}</b> · predicted <b>{Page.Encode(row.Predicted)}</b>");
            if (!double.IsNaN(row.Probability))
                body.Append(CultureInfo.InvariantCulture, $" at {row.Probability:0.0 %}");
            body.Append(row.Row.Line > 0 ? $" · line {row.Row.Line}" : "").Append("</small></li>\n");
        }
        body.Append("</ol>\n");
    }

    private static string Text(JudgedRow row, Func<JudgedRow, IReadOnlyList<(string Text, double Part)>>? explain)
    {
        if (explain is null)
            return Page.Encode(row.Row.Text2 is null ? row.Row.Text : $"{row.Row.Text}\n{row.Row.Text2}");
        var parts = explain(row);
        var largest = parts.Max(p => Math.Abs(p.Part));
        return string.Concat(parts.Select(p => Math.Abs(p.Part) < 0.05 * largest || largest == 0
            ? Page.Encode(p.Text)
            : string.Create(CultureInfo.InvariantCulture, $"<mark class=\"{(p.Part > 0 ? "for" : "against")}\" style=\"--v:{Math.Abs(p.Part) / largest:0.##}\" title=\"{p.Part:+0.00;−0.00}\">{Page.Encode(p.Text)}</mark>")));
    }
}
