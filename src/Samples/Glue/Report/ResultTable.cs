using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>The results of a grid at a terminal: a row for each strategy, a column for each task.</summary>
internal static class ResultTable
{
    public static void Write(Terminal terminal, ReportModel model)
    {
        foreach (var section in model.Sections)
        {
            terminal.Heading($"Results on {section.BaseModel}, in percent: mean ± standard deviation over the seeds");
            string[] head = ["strategy", .. section.Tasks.Select(t => $"{TaskNames.Display(t)}{(section.Metrics.TryGetValue(t, out var metric) ? $" {metric}" : "")}"), "average"];
            TextTable.Write(terminal, head,
            [
                .. section.Rows.Select(row => (string[])
                [
                    row.Label,
                    .. section.Tasks.Select(t => row.Cells.TryGetValue(t, out var cell) ? Figures.Percent(cell.Spread) : "–"),
                    row.Average is { } average ? Figures.Percent(average) : "–",
                ]),
            ]);
        }
    }
}
