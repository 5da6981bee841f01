using System.Globalization;
using System.Text;
using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit.Samples.Pages.Run;

/// <summary>Precision, recall and F1 of each class or label, the worst first.</summary>
internal static class ClassTable
{
    public static void Write(StringBuilder body, RunFacts facts)
    {
        bool several = facts.Kind == TaskKind.MultiLabel;
        var rows = several
            ? facts.Report.Labels!.PerLabel.Select(l => (l.Name, Rows: l.Positives, l.Precision, l.Recall, F1: l.F1Score))
            : facts.Classes.Select((name, c) => Of(name, c, facts.Rows));
        body.Append($"<h2>{(several ? "Label by label" : "Class by class")}</h2>\n<p class=\"note\">The lowest F1 first. Precision: how often the answer is right; recall: how many of the {(several ? "label's" : "class's")} rows are found.</p>\n");
        body.Append($"<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">{(several ? "label" : "class")}</th><th scope=\"col\">rows</th><th scope=\"col\">precision</th><th scope=\"col\">recall</th><th scope=\"col\">F1</th></tr></thead>\n<tbody>\n");
        foreach (var row in rows.OrderBy(r => r.F1).ThenByDescending(r => r.Rows))
            body.Append(CultureInfo.InvariantCulture, $"<tr><th scope=\"row\">{Page.Encode(row.Name)}</th><td>{row.Rows}</td><td>{row.Precision:0.000}</td><td>{row.Recall:0.000}</td><td>{row.F1:0.000}</td></tr>\n");
        body.Append("</tbody></table></div>\n");
    }

    private static (string Name, int Rows, double Precision, double Recall, double F1) Of(string name, int index, IReadOnlyList<JudgedRow> rows)
    {
        int actual = 0, predicted = 0, both = 0;
        foreach (var row in rows)
        {
            actual += (int)row.ActualValue == index ? 1 : 0;
            predicted += (int)row.PredictedValue == index ? 1 : 0;
            both += (int)row.ActualValue == index && row.Right ? 1 : 0;
        }
        return (name, actual, Ratio(both, predicted), Ratio(both, actual), Ratio(2 * both, actual + predicted));
    }

    private static double Ratio(double part, double whole) => whole > 0 ? part / whole : 0;
}
