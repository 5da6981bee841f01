namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>A section's figures for the page's charts: percent and seconds; null where there is none.</summary>
internal sealed record ChartData(IReadOnlyList<ChartTask> Tasks, IReadOnlyList<ChartRow> Rows)
{
    public static ChartData Of(Section section) => new(
        [.. section.Tasks.Select(t => new ChartTask(t, TaskNames.Display(t), section.Metrics.GetValueOrDefault(t)))],
        [
            .. section.Rows.Select(row => new ChartRow(
                row.Label,
                row.IsReference,
                ChartDifference.Of(row.Difference),
                row.Cells.ToDictionary(c => c.Key, c => new ChartCell(
                    Percent(c.Value.Spread.Mean),
                    c.Value.Spread.Count,
                    c.Value.Costs.Preparation + c.Value.Costs.Training,
                    ChartDifference.Of(c.Value.Difference),
                    [.. c.Value.Curve.Select(p => new[] { p.Epoch, Percent(p.Metric), p.Loss })],
                    Sensitivity(c.Value.Rates))))),
        ]);

    // JSON has no NaN; a gap in a line says the same.
    public static double? Percent(double? value) => value is { } v && double.IsFinite(v) ? 100 * v : null;

    // Of unequal seeds the rates' means would differ by the seeds too.
    private static double?[][] Sensitivity(IReadOnlyList<RateResult> rates)
    {
        var common = RateSelection.Common(rates);
        return [.. rates.Select(r => new[] { r.Rate, Percent((common.Count > 0 ? r.Over(common) : r.Spread).Mean) })];
    }
}

internal sealed record ChartTask(string Name, string Title, string? Metric);

internal sealed record ChartRow(string Label, bool Reference, ChartDifference? Difference, IReadOnlyDictionary<string, ChartCell> Cells);

/// <param name="Mean">Percent.</param>
/// <param name="Seeds">How many it is over.</param>
/// <param name="Seconds">Initialisation and training.</param>
/// <param name="Difference">To the reference.</param>
/// <param name="Curve">Epoch, metric in percent, training loss.</param>
/// <param name="Rates">Rate, metric in percent.</param>
internal sealed record ChartCell(
    double? Mean, int Seeds, double Seconds, ChartDifference? Difference, IReadOnlyList<double?[]> Curve, IReadOnlyList<double?[]> Rates);

/// <summary>Percentage points; <paramref name="Mark"/> is 1 or −1 where the table marks it, else 0.</summary>
internal sealed record ChartDifference(double Mean, double? Low, double? High, int Pairs, int Mark)
{
    public static ChartDifference? Of(Difference? difference) => difference is { Pairs: > 0 } d && ChartData.Percent(d.Mean) is { } mean
        ? new(mean, ChartData.Percent(d.Low), ChartData.Percent(d.High), d.Pairs, d.Mark switch { CellMark.Better => 1, CellMark.Worse => -1, _ => 0 })
        : null;
}
