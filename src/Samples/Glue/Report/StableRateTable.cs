namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>How large a learning rate each strategy bears: what arXiv 2406.08447 compares Init[A] and Init[B] by.</summary>
internal static class StableRateTable
{
    public const int FewestRates = 4;

    /// <summary>A rate whose mean lies further below the best than this (a fraction) has left the plateau.</summary>
    private const double Plateau = 0.05;

    public static ReportTable Of(Section section) => new(
        "stable", "Largest stable rate",
        $"The best rate, and the largest at which every seed finished and the mean is within {100 * Plateau:0} points of the best rate's. An arrow says that the "
        + "rate is the largest tried, so that the true one may be larger.",
        ["strategy", .. section.Tasks.SelectMany(t => new TableCell[] { new(TaskNames.Display(t), "best rate"), new(TaskNames.Display(t), "largest stable") })],
        [
            .. section.Rows.Where(r => r.Cells.Count > 0).Select(row => (IReadOnlyList<TableCell>)[new(row.Label), .. section.Tasks.SelectMany(t => Pair(row.Cells.GetValueOrDefault(t)))]),
        ]);

    /// <summary>Null where a cell has no finite mean.</summary>
    public static double? Largest(Cell cell)
    {
        var best = cell.Rates.Where(r => r.Spread.Count > 0 && double.IsFinite(r.Spread.Mean)).Select(r => r.Spread.Mean).DefaultIfEmpty(double.NaN).Max();
        return cell.Rates.Where(r => r.FailedSeeds.Count == 0 && r.Spread.Mean >= best - Plateau).Select(r => (double?)r.Rate).Max();
    }

    private static TableCell[] Pair(Cell? cell)
    {
        if (cell is null || Largest(cell) is not { } largest)
            return [TableCell.Missing, TableCell.Missing];
        return [new(Figures.Rate(cell.Rate)), new(Figures.Rate(largest) + (largest.Equals(cell.Rates[^1].Rate) ? " ↑" : ""))];
    }
}
