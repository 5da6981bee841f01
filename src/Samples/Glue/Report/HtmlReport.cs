using System.Text;
using Microsoft.ML.LoraInit.Samples.Pages;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>The report as one page that opens without a network: styles, charting library and figures are inside it.</summary>
internal static class HtmlReport
{
    /// <summary>Characters; what is longer is a sentence, which wraps and begins at the left.</summary>
    private const int LongestFigure = 24;

    private const string Title = "GLUE with LoRA initialisations";

    public static string Write(ReportModel model)
    {
        var body = new StringBuilder();
        body.Append($"<h1>{Title}</h1>\n<p class=\"lead\">{Encode(Summary.Line(model))}</p>\n");
        for (var i = 0; i < model.Sections.Count; i++)
            Append(body, model.Sections[i], i);
        if (model.Failed.Count > 0)
            Append(body, Summary.Failures(model), "all");
        Append(body, Summary.Environments(model), "all");
        body.Append("<h2>Command</h2>\n<pre>").Append(Encode(string.Join('\n', model.Commands))).Append("</pre>\n");

        return Page.Write(Title, body.ToString(), model.Sections.Select(ChartData.Of), ReportAssets.Text("report.css"), ReportAssets.Text("report.js"));
    }

    private static void Append(StringBuilder body, Section section, int index)
    {
        body.Append($"<section data-section=\"{index}\">\n<h2>Base model <code>{Encode(section.BaseModel)}</code></h2>\n");
        var tables = SectionTables.Of(section).ToDictionary(t => t.Id);
        var compared = tables.TryGetValue("differences", out var differences);
        if (compared)
        {
            body.Append("<h3>Which start is better than LoRA's own?</h3>\n");
            Panels(body, "effects", section, withTasks: false,
                "Percentage points against LoRA (kaiming), a panel a task, best above: a dot is the mean over paired seeds, a bar its 95 % paired t interval, "
                + $"a hollow dot a single pair. Colour means that a test over the whole table, from {Difference.FewestPairs} pairs on, finds a difference; "
                + "grey means that none is shown, however long the bar.");
        }
        Append(body, tables["results"], $"{index}");
        if (compared)
            Append(body, differences!, $"{index}");
        if (tables.TryGetValue("peers", out var peers))
            Append(body, peers, $"{index}");
        if (tables.TryGetValue("missing", out var missing))
            Append(body, missing, $"{index}", folded: true);
        const string field = "a panel a strategy, the others in grey behind it and LoRA (kaiming) dashed";
        body.Append("<h3>Learning curves</h3>\n");
        Panels(body, "curves", section, withTasks: true, $"Dev metric in percent after each epoch, mean over seeds at the selected rate; {field}.");
        body.Append("<h3>Loss curves</h3>\n");
        Panels(body, "losses", section, withTasks: true, $"Training loss of each epoch, mean over seeds at the selected rate; {field}.");
        if (section.Rows.SelectMany(r => r.Cells.Values).Any(c => c.Rates.Count > 1))
        {
            body.Append("<h3>Sensitivity to the learning rate</h3>\n");
            Panels(body, "sensitivity", section, withTasks: true, $"Mean dev metric in percent at each rate tried, over the seeds that ran at every rate; {field}.");
        }
        Append(body, tables["rates"], $"{index}", folded: true);
        foreach (var more in new[] { "stable", "fit" })
            if (tables.TryGetValue(more, out var table))
                Append(body, table, $"{index}");
        body.Append("<h3>Metric against time</h3>\n");
        Panels(body, "time", section, withTasks: false, "Initialisation and training of a run in seconds, and the metric it reaches in percent; a panel a task, LoRA (kaiming) filled. A touch names a dot.");
        Append(body, tables["costs"], $"{index}", folded: true);
        body.Append("</section>\n");
    }

    // The page's script fills the panels, for how many there are depends on the figures.
    private static void Panels(StringBuilder body, string kind, Section section, bool withTasks, string note)
    {
        body.Append($"<figure data-chart=\"{kind}\"><figcaption>{Encode(note)}</figcaption>\n");
        if (withTasks)
        {
            body.Append("<label>Task <select>");
            foreach (var task in section.Tasks)
                body.Append($"<option value=\"{Encode(task)}\">{Encode(TaskNames.Display(task))}</option>");
            body.Append("</select></label>\n");
        }
        body.Append("<div class=\"panels\"></div></figure>\n");
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
                Append(body, row[i], i == 0 ? "th scope=\"row\"" : $"td data-label=\"{Encode(table.Headers[i].Text)}\"");
            body.Append("</tr>\n");
        }
        body.Append(folded ? "</tbody></table></div></details>\n" : "</tbody></table></div>\n");
    }

    private static void Append(StringBuilder body, TableCell cell, string element)
    {
        var mark = cell.Mark == CellMark.None ? cell.Text.Length > LongestFigure ? " class=\"text\"" : "" : $" class=\"{cell.Mark.ToString().ToLowerInvariant()}\"";
        body.Append($"<{element}{mark}>{Encode(cell.Text)}");
        if (cell.Detail is not null)
            body.Append($"<small>{Encode(cell.Detail.Replace("n = ", "n\u00a0=\u00a0", StringComparison.Ordinal))}</small>"); // "n =" and its number on one line
        body.Append($"</{element.Split(' ')[0]}>");
    }

    private static string Encode(string text) => Page.Encode(text);
}
