using System.Text;
using System.Text.Json;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>The report as one page that opens without a network: styles, charting library and figures are inside it.</summary>
internal static class HtmlReport
{
    /// <summary>Characters; what is longer is a sentence, which wraps and begins at the left.</summary>
    private const int LongestFigure = 24;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    public static string Write(ReportModel model)
    {
        var body = new StringBuilder();
        body.Append($"<h1>GLUE with LoRA initialisations</h1>\n<p class=\"lead\">{Encode(Summary.Line(model))}</p>\n");
        for (var i = 0; i < model.Sections.Count; i++)
            Append(body, model.Sections[i], i);
        if (model.Failed.Count > 0)
            Append(body, Summary.Failures(model), "all");
        Append(body, Summary.Environments(model), "all");
        body.Append("<h2>Command</h2>\n<pre>").Append(Encode(string.Join('\n', model.Commands))).Append("</pre>\n");

        return ReportAssets.Text("report.html")
            .Replace("/*styles*/", ReportAssets.Text("report.css"), StringComparison.Ordinal)
            .Replace("<!--body-->", body.ToString(), StringComparison.Ordinal)
            // The serialiser escapes '<', so no text in the data can end the script element.
            .Replace("\"data\"", JsonSerializer.Serialize(model.Sections.Select(ChartData.Of), Json), StringComparison.Ordinal)
            .Replace("<!--licence-->", Encode(ReportAssets.Text("chart.LICENSE.md")), StringComparison.Ordinal)
            .Replace("/*library*/", ReportAssets.ChartLibrary(), StringComparison.Ordinal)
            .Replace("/*page*/", ReportAssets.Text("report.js"), StringComparison.Ordinal);
    }

    private static void Append(StringBuilder body, Section section, int index)
    {
        body.Append($"<section data-section=\"{index}\">\n<h2>Base model <code>{Encode(section.BaseModel)}</code></h2>\n");
        var tables = SectionTables.Of(section).ToDictionary(t => t.Id);
        Append(body, tables["results"], $"{index}");
        if (tables.TryGetValue("peers", out var peers))
            Append(body, peers, $"{index}");
        if (tables.TryGetValue("missing", out var missing))
            Append(body, missing, $"{index}", folded: true);
        if (tables.TryGetValue("differences", out var differences))
        {
            Append(body, differences, $"{index}");
            Chart(body, "differences", section, withTasks: true, overall: true, "The same as a plot: bars are intervals, dots are means.");
        }
        body.Append("<h3>Learning curves</h3>\n");
        Chart(body, "curves", section, withTasks: true, overall: false, "Dev metric in percent after each epoch, mean over seeds at the selected rate. A click in the legend hides or shows a strategy.");
        body.Append("<h3>Sensitivity to the learning rate</h3>\n");
        Chart(body, "sensitivity", section, withTasks: true, overall: false, "Mean in percent at each rate tried, over the seeds that ran at every rate.");
        Append(body, tables["rates"], $"{index}", folded: true);
        body.Append("<h3>Metric against time</h3>\n");
        Chart(body, "time", section, withTasks: true, overall: false, "Initialisation and training of a run in seconds, and the metric it reaches in percent.");
        Append(body, tables["costs"], $"{index}", folded: true);
        body.Append("</section>\n");
    }

    private static void Chart(StringBuilder body, string kind, Section section, bool withTasks, bool overall, string note)
    {
        body.Append($"<figure><figcaption>{Encode(note)}</figcaption>\n");
        if (withTasks)
        {
            body.Append("<label>Task <select>");
            if (overall)
                body.Append("<option value=\"\">all tasks</option>");
            foreach (var task in section.Tasks)
                body.Append($"<option value=\"{Encode(task)}\">{Encode(TaskNames.Display(task))}</option>");
            body.Append("</select></label>\n");
        }
        body.Append($"<div class=\"chart\"><canvas data-chart=\"{kind}\" role=\"img\" aria-label=\"{Encode(note)}\"></canvas></div></figure>\n");
    }

    private static void Append(StringBuilder body, ReportTable table, string place, bool folded = false)
    {
        body.Append(folded
            ? $"<details><summary>{Encode(table.Title)}</summary>\n"
            : $"<h3 id=\"{table.Id}-{place}\">{Encode(table.Title)}</h3>\n");
        body.Append($"<p class=\"note\">{Encode(table.Note)}</p>\n<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>");
        foreach (var header in table.Headers)
            Append(body, header, "th scope=\"col\"");
        body.Append("</tr></thead>\n<tbody>\n");
        foreach (var row in table.Rows)
        {
            body.Append("<tr>");
            for (var i = 0; i < row.Count; i++)
                Append(body, row[i], i == 0 ? "th scope=\"row\"" : "td");
            body.Append("</tr>\n");
        }
        body.Append(folded ? "</tbody></table></div></details>\n" : "</tbody></table></div>\n");
    }

    private static void Append(StringBuilder body, TableCell cell, string element)
    {
        var mark = cell.Mark == CellMark.None ? cell.Text.Length > LongestFigure ? " class=\"text\"" : "" : $" class=\"{cell.Mark.ToString().ToLowerInvariant()}\"";
        body.Append($"<{element}{mark}>{Encode(cell.Text)}");
        if (cell.Detail is not null)
            body.Append($"<small>{Encode(cell.Detail)}</small>");
        body.Append($"</{element.Split(' ')[0]}>");
    }

    // WebUtility would also turn every ± into a number.
    private static string Encode(string text) => text
        .Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal).Replace("\"", "&quot;", StringComparison.Ordinal);
}
