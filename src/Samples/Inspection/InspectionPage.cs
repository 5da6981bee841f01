using System.Globalization;
using System.Text;

namespace Microsoft.ML.LoraInit.Samples.Inspection;

/// <summary>A report as one page that opens without a network: bars per layer for each measure, and all figures as a table.</summary>
internal static class InspectionPage
{
    public static string Write(InspectionReport report)
    {
        var body = new StringBuilder();
        body.Append($"<h1>{Page.Encode((string)report.Initialization["name"]!)} on {Page.Encode(report.BaseModel)}</h1>\n");
        body.Append($"<p class=\"lead\">{Page.Encode(Measure.Strategy(report.Initialization))} · {Page.Encode(Describe(report.Family))}{(report.Against is null ? "" : $" · compared with {Page.Encode(Measure.Strategy(report.Against))}")}</p>\n");
        foreach (var sentence in InspectionTable.Sentences(report))
            body.Append($"<p>{Page.Encode(sentence)}</p>\n");
        Figures(body, report);
        Charts(body, report);
        Table(body, report);
        body.Append($"<p class=\"note\">Base SHA-256 <code>{Page.Encode(report.BaseSha256)}</code>, {Page.Encode(report.Precision)} on {Page.Encode(report.Device)}, seed {report.Seed}.</p>\n");
        return Page.Asset("page.html")
            .Replace("<!--title-->", Page.Encode($"{report.Initialization["name"]} on {report.BaseModel}"), StringComparison.Ordinal)
            .Replace("/*styles*/", Page.Asset("page.css"), StringComparison.Ordinal)
            .Replace("<!--body-->", body.ToString(), StringComparison.Ordinal);
    }

    private static string Describe(InitializationFamily family) => family switch
    {
        InitializationFamily.BaseUntouched => "base untouched, product zero",
        InitializationFamily.BaseCorrected => "base corrected, function kept",
        _ => "changes the function on purpose",
    };

    private static void Figures(StringBuilder body, InspectionReport report)
    {
        body.Append("<h2>All layers together</h2>\n<dl class=\"figures\">\n");
        foreach (var measure in Measure.In(report))
            body.Append($"<div><dt>{Page.Encode(measure.Title)}</dt><dd>{Page.Encode(Measure.Text(measure.Value(report.Total)))}</dd></div>\n");
        body.Append("</dl>\n");
    }

    private static void Charts(StringBuilder body, InspectionReport report)
    {
        var layers = report.Layers.Select(l => (Place: Split(l.Module), l.Measures)).ToArray();
        string[] indices = [.. layers.Select(l => l.Place.Index).Distinct()];
        string[] kinds = [.. layers.Select(l => l.Place.Kind).Distinct()];
        body.Append("<h2>Layer by layer</h2>\n<ul class=\"legend\">");
        for (int i = 0; i < kinds.Length; i++)
            body.Append(CultureInfo.InvariantCulture, $"<li><svg viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect class=\"s{i % Page.Colours}\" width=\"12\" height=\"12\" rx=\"2\"/></svg>{Page.Encode(kinds[i])}</li>");
        body.Append("</ul>\n<div class=\"charts\">\n");
        foreach (var measure in Measure.In(report))
        {
            var values = layers.ToDictionary(l => l.Place, l => measure.Value(l.Measures));
            Chart(body, measure.Title, measure.Note, BarChart.Draw(
                measure.Title, indices, "layer", [.. kinds.Select(k => (k, (IReadOnlyList<double?>)[.. indices.Select(i => values.GetValueOrDefault((i, k)))]))], measure.IsShare));
        }
        var hidden = report.OutputChange.HiddenByLayer;
        Chart(body, "Change of the hidden states", "‖ΔH‖ / ‖H‖ after each encoder layer, against the base model", BarChart.Draw(
            "Change of the hidden states", [.. hidden.Select((_, i) => $"{i}")], "layer", [("hidden states", [.. hidden.Select(h => (double?)h)])], false));
        body.Append("</div>\n");
    }

    private static void Chart(StringBuilder body, string title, string note, string svg) =>
        body.Append($"<figure><h3>{Page.Encode(title)}</h3><figcaption>{Page.Encode(note)}</figcaption>\n<div class=\"scroll\" tabindex=\"0\">{svg}</div></figure>\n");

    private static void Table(StringBuilder body, InspectionReport report)
    {
        var measures = Measure.In(report);
        body.Append("<h2>All figures</h2>\n<div class=\"scroll framed\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">layer</th><th scope=\"col\">shape</th><th scope=\"col\">rank</th><th scope=\"col\">scaling</th>");
        foreach (var measure in measures)
            body.Append($"<th scope=\"col\" title=\"{Page.Encode(measure.Note)}\">{Page.Encode(measure.Title)}</th>");
        body.Append("</tr></thead>\n<tbody>\n");
        foreach (var layer in report.Layers)
            Row(body, Measure.ShortName(layer.Module), $"{layer.OutFeatures} × {layer.InFeatures}", $"{layer.Rank}", Measure.Text(layer.Scaling), measures, layer.Measures);
        Row(body, "together", "", "", "", measures, report.Total);
        body.Append("</tbody></table></div>\n");
    }

    private static void Row(StringBuilder body, string name, string shape, string rank, string scaling, IReadOnlyList<Measure> measures, AdapterMeasures values)
    {
        body.Append($"<tr><th scope=\"row\">{Page.Encode(name)}</th><td>{shape}</td><td>{rank}</td><td>{scaling}</td>");
        foreach (var measure in measures)
            body.Append($"<td>{Page.Encode(Measure.Text(measure.Value(values)))}</td>");
        body.Append("</tr>\n");
    }

    /// <summary>"roberta.encoder.layer.3.attention.self.query" is the query of layer 3.</summary>
    private static (string Index, string Kind) Split(string module)
    {
        var rest = Measure.ShortName(module);
        return rest.Split('.', 2) is [var index, var kind] && int.TryParse(index, out _) ? (index, kind) : ("", rest);
    }
}
