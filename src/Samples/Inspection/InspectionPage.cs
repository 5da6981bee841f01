using System.Text;
using Microsoft.ML.LoraInit.Samples.Pages;

namespace Microsoft.ML.LoraInit.Samples.Inspection;

/// <summary>One report, or two side by side, as a page: bars per layer for each measure, and all figures as tables.</summary>
internal static class InspectionPage
{
    /// <param name="report">Of the start asked for.</param>
    /// <param name="other">Of the one that it is compared with, of the same layers; or null.</param>
    public static string Write(InspectionReport report, InspectionReport? other = null)
    {
        InspectionReport[] reports = other is null ? [report] : [report, other];
        var title = $"{string.Join(" and ", reports.Select(Name))} on {report.BaseModel}";
        var body = new StringBuilder($"<h1>{Page.Encode(title)}</h1>\n");
        foreach (var each in reports)
        {
            body.Append($"<p class=\"lead\">{Page.Encode(Measure.Strategy(each.Initialization))} · {Page.Encode(Describe(each.Family))}</p>\n");
            foreach (var sentence in InspectionTable.Sentences(each, alone: other is null))
                body.Append($"<p>{Page.Encode(sentence)}</p>\n");
        }
        body.Append("<h2>All layers together</h2>\n");
        if (other is null)
            Figures(body, report);
        else
            Totals(body, reports);
        var charts = Charts(body, reports);
        foreach (var each in reports)
            Table(body, each, other is null ? "All figures" : $"All figures: {Name(each)}");
        body.Append($"<p class=\"note\">Base SHA-256 <code>{Page.Encode(report.BaseSha256)}</code>, {Page.Encode(report.Precision)} on {Page.Encode(report.Device)}, seed {report.Seed}. ≈ 0: below 1e−5, what fp32 leaves of 0.</p>\n");
        return Page.Write(title, body.ToString(), charts);
    }

    private static string Name(InspectionReport report) => (string)report.Initialization["name"]!;

    private static string Describe(InitializationFamily family) => family switch
    {
        InitializationFamily.BaseUntouched => "base untouched, product zero",
        InitializationFamily.BaseCorrected => "base corrected, function kept",
        _ => "changes the function on purpose",
    };

    private static void Figures(StringBuilder body, InspectionReport report)
    {
        body.Append("<dl class=\"figures\">\n");
        foreach (var measure in Measure.In(report))
            body.Append($"<div><dt>{Page.Encode(measure.Title)}</dt><dd>{Page.Encode(measure.Of(report.Total))}</dd></div>\n");
        body.Append("</dl>\n");
    }

    private static void Totals(StringBuilder body, InspectionReport[] reports)
    {
        body.Append("<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">measure</th>");
        foreach (var report in reports)
            body.Append($"<th scope=\"col\">{Page.Encode(Name(report))}</th>");
        body.Append("</tr></thead>\n<tbody>\n");
        foreach (var measure in Measure.In(reports))
            body.Append($"<tr><th scope=\"row\">{Page.Encode(measure.Title)}</th>{string.Concat(reports.Select(r => $"<td>{Page.Encode(measure.Of(r.Total))}</td>"))}</tr>\n");
        body.Append("</tbody></table></div>\n");
    }

    private static Dictionary<string, Chart> Charts(StringBuilder body, InspectionReport[] reports)
    {
        var charts = new Dictionary<string, Chart>(StringComparer.Ordinal);
        body.Append("<h2>Layer by layer</h2>\n<div class=\"charts\">\n");
        foreach (var measure in Measure.In(reports))
        {
            // Both to one scale: they are there to be compared.
            var largest = reports.SelectMany(r => r.Layers).Max(l => measure.Value(l.Measures)) ?? 0;
            foreach (var report in reports)
                Add(measure.Title, measure.Note, report, Bars(report, measure, largest));
        }
        var change = reports.SelectMany(r => r.OutputChange.HiddenByLayer).Max();
        foreach (var report in reports)
            Add("Change of the hidden states", "‖ΔH‖ / ‖H‖ after each encoder layer, against the base model", report, Hidden(report, change));
        body.Append("</div>\n");
        return charts;

        void Add(string title, string note, InspectionReport report, Chart chart)
        {
            var name = $"c{charts.Count}";
            charts.Add(name, chart);
            body.Append(Page.Place(name, reports.Length == 1 ? title : $"{title}: {Name(report)}", note));
        }
    }

    private static Chart Bars(InspectionReport report, Measure measure, double largest)
    {
        var layers = report.Layers.Select(l => (Place: Split(l.Module), l.Measures)).ToArray();
        string[] indices = [.. layers.Select(l => l.Place.Index).Distinct()];
        string[] kinds = [.. layers.Select(l => l.Place.Kind).Distinct()];
        return new([.. kinds.Select((kind, k) =>
        {
            var own = layers.Where(l => l.Place.Kind == kind).ToArray();
            return new Series(kind, SeriesKind.Bar, [.. own.Select(l => new double?[] { Array.IndexOf(indices, l.Place.Index), measure.Value(l.Measures) })])
            {
                Colour = k,
                Texts = [.. own.Select(l => measure.Of(l.Measures))],
            };
        })], new("layer", Labels: indices), Scale(measure.Scale, largest));
    }

    private static Chart Hidden(InspectionReport report, double largest)
    {
        var values = report.OutputChange.HiddenByLayer;
        return new([new("hidden states", SeriesKind.Bar, [.. values.Select((h, i) => new double?[] { i, h })]) { Colour = 0, Texts = [.. values.Select(h => Measure.Part(h))] }],
            new("layer", Labels: [.. values.Select((_, i) => $"{i}")]), Scale(MeasureScale.Relative, largest));
    }

    // Rounding would fill the height of a scale of its own.
    private static Axis Scale(MeasureScale scale, double largest) => scale switch
    {
        MeasureScale.Share => Axis.Share(""),
        MeasureScale.Relative when largest < Measure.Rounding => new("", 0, 0.01),
        _ => new("", 0, largest > 0 ? Ceiling(largest) : 1),
    };

    /// <summary>The next of 1, 2, 2.5 and 5 times a power of ten.</summary>
    internal static double Ceiling(double value)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(value)));
        return new[] { 1, 2, 2.5, 5, 10 }.First(f => f * power >= value * 0.999999) * power;
    }

    private static void Table(StringBuilder body, InspectionReport report, string title)
    {
        var measures = Measure.In(report);
        body.Append($"<h2>{Page.Encode(title)}</h2>\n<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">layer</th><th scope=\"col\">shape</th><th scope=\"col\">rank</th><th scope=\"col\">scaling</th>");
        foreach (var measure in measures)
            body.Append($"<th scope=\"col\" title=\"{Page.Encode(measure.Note)}\">{Page.Encode(measure.Title)}</th>");
        body.Append("</tr></thead>\n<tbody>\n");
        foreach (var layer in report.Layers)
            Row(body, "", Measure.ShortName(layer.Module), $"{layer.OutFeatures} × {layer.InFeatures}", $"{layer.Rank}", Measure.Text(layer.Scaling), measures, layer.Measures);
        Row(body, " class=\"total\"", "together", "", "", "", measures, report.Total);
        body.Append("</tbody></table></div>\n");
    }

    private static void Row(StringBuilder body, string kind, string name, string shape, string rank, string scaling, IReadOnlyList<Measure> measures, AdapterMeasures values)
    {
        body.Append($"<tr{kind}><th scope=\"row\">{Page.Encode(name)}</th><td>{shape}</td><td>{rank}</td><td>{scaling}</td>");
        foreach (var measure in measures)
            body.Append($"<td>{Page.Encode(measure.Of(values))}</td>");
        body.Append("</tr>\n");
    }

    /// <summary>"roberta.encoder.layer.3.attention.self.query" is the query of layer 3.</summary>
    private static (string Index, string Kind) Split(string module)
    {
        var rest = Measure.ShortName(module);
        return rest.Split('.', 2) is [var index, var kind] && int.TryParse(index, out _) ? (index, kind) : ("", rest);
    }
}
