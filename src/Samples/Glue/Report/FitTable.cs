using System.Globalization;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>How near each start is to the weights, beside the score.</summary>
internal static class FitTable
{
    public static ReportTable Of(Section section) => new(
        "fit", "How near the start is to the weights",
        "mean((s·B·A − W)²) before the first step, averaged over the adapted layers and the runs, and the score in percent. A start with B·A = 0 has the mean of W² itself.",
        ["strategy", "error", .. section.Tasks.Select(t => new TableCell(TaskNames.Display(t)))],
        [
            .. from row in section.Rows
               let errors = row.Cells.Values.Select(c => c.FactorizationError).OfType<double>().ToArray()
               where errors.Length > 0
               select (IReadOnlyList<TableCell>)
               [
                   new(row.Label), new(errors.Average().ToString("0.000e+0", CultureInfo.InvariantCulture)),
                   .. section.Tasks.Select(t => row.Cells.TryGetValue(t, out var cell) ? new TableCell(Figures.Percent(cell.Spread), $"n = {cell.Spread.Count}") : TableCell.Missing),
               ],
        ]);
}
