using System.Globalization;
using System.Text;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Pages.Run;

/// <summary>A training or an evaluation as one page.</summary>
internal static class RunPage
{
    /// <summary>The most errors shown.</summary>
    public const int MostErrors = 25;

    public static string Write(RunFacts facts)
    {
        var charts = new Dictionary<string, Chart>(StringComparer.Ordinal);
        var body = new StringBuilder();
        body.Append($"<h1>{Page.Encode(facts.Title)}</h1>\n<p class=\"lead\">{Page.Encode(facts.Lead)}</p>\n");
        Figures(body, facts.Report);
        if (facts.History is { Epochs.Count: > 0 } history)
        {
            body.Append("<h2>Training</h2>\n<div class=\"charts\">\n");
            Add("loss", "Loss by step", $"Mean over the rows since the last point; after each epoch over all of them{(history.Epochs[0].ValidationLoss is null ? "" : ", and over the validation rows")}.", TrainingCharts.Loss(history, facts.Losses));
            if (TrainingCharts.Metric(history) is { } metric)
                Add("metric", $"{Capital(history.MetricName)} by step", $"Of the validation rows after each epoch. The model is that of epoch {history.BestEpoch}.", metric);
            body.Append("</div>\n");
        }
        if (facts.Reliability is { } reliability)
        {
            body.Append("<h2>Can its probabilities be believed?</h2>\n<div class=\"charts\">\n");
            Add("reliability", "Reliability", $"{reliability.Of} On the dashed line what is said turns out; below it the model is too sure.", JudgementCharts.Reliability(reliability.Bins));
            Add("counts", "How sure it is", "How many rows have which probability.", JudgementCharts.Counts(reliability.Bins));
            body.Append("</div>\n");
        }
        // Of rows set aside there are the figures alone.
        if (facts.Rows.Count > 0)
            Judged();
        body.Append("<h2>Settings</h2>\n");
        Settings(body, facts.Settings);
        return Page.Write(facts.Title, body.ToString(), charts);

        void Judged()
        {
            if (facts.Kind == TaskKind.Regression)
            {
                body.Append("<h2>Predictions</h2>\n<div class=\"charts\">\n");
                Add("values", "Predicted and true values", "A point a row; on the dashed line both are the same.", JudgementCharts.Values(facts.Rows));
                body.Append("</div>\n");
            }
            else
            {
                if (facts.Kind != TaskKind.MultiLabel)
                    Confusion.Write(body, facts.Classes, facts.Rows);
                ClassTable.Write(body, facts);
            }
            Errors.Write(body, facts, MostErrors);
        }

        void Add(string name, string title, string note, Chart chart)
        {
            charts.Add(name, chart);
            body.Append(Page.Place(name, title, note));
        }
    }

    private static void Figures(StringBuilder body, RunReport report)
    {
        IEnumerable<(string Name, double Value)> figures = report.Labels is { } labels ? MultiLabelReport.Present(labels) : Metrics.Present(report.Metrics);
        body.Append("<dl class=\"figures\">\n");
        foreach (var (name, value) in figures.Concat(report.Calibration?.Present() ?? []))
            body.Append(CultureInfo.InvariantCulture, $"<div><dt>{Page.Encode(name)}</dt><dd>{value:0.0000;-0.0000;0.0000}</dd></div>\n");
        // Two temperatures need a sentence, which the settings have.
        if (report.Calibration is { Bend: null, Temperature: { } temperature })
            body.Append(CultureInfo.InvariantCulture, $"<div><dt>temperature</dt><dd>{temperature:0.000}</dd></div>\n");
        body.Append("</dl>\n");
    }

    private static void Settings(StringBuilder body, IReadOnlyList<(string Name, string Value)> settings)
    {
        body.Append("<div class=\"scroll\" tabindex=\"0\"><table>\n<tbody>\n");
        foreach (var (name, value) in settings)
            body.Append($"<tr><th scope=\"row\">{Page.Encode(name)}</th><td class=\"text\">{Page.Encode(value)}</td></tr>\n");
        body.Append("</tbody></table></div>\n");
    }

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..].Replace('_', ' ');
}
