namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>A section's figures for the page's charts: percent and seconds; null where there is none.</summary>
internal sealed record ChartData(IReadOnlyList<ChartRow> Rows)
{
    public static ChartData Of(Section section) => new(
    [
        .. section.Rows.Select(row => new ChartRow(
            row.Label,
            Of(row.Difference),
            row.Cells.ToDictionary(c => c.Key, c => new ChartCell(
                Percent(c.Value.Spread.Mean),
                c.Value.Costs.Preparation + c.Value.Costs.Training,
                Of(c.Value.Difference),
                [.. c.Value.Curve.Select(p => new[] { p.Epoch, Percent(p.Metric) })],
                Sensitivity(c.Value.Rates))))),
    ]);

    // Of unequal seeds the rates' means would differ by the seeds too.
    private static double?[][] Sensitivity(IReadOnlyList<RateResult> rates)
    {
        var common = RateSelection.Common(rates);
        return [.. rates.Select(r => new[] { r.Rate, Percent((common.Count > 0 ? r.Over(common) : r.Spread).Mean) })];
    }

    // JSON has no NaN; a gap in a line says the same.
    private static double? Percent(double? value) => value is { } v && double.IsFinite(v) ? 100 * v : null;

    private static double?[]? Of(Difference? difference) =>
        difference is { Pairs: > 0 } d && double.IsFinite(d.Mean) ? [Percent(d.Mean), Percent(d.Low), Percent(d.High)] : null;
}

internal sealed record ChartRow(string Label, double?[]? Difference, IReadOnlyDictionary<string, ChartCell> Cells);

internal sealed record ChartCell(double? Mean, double Seconds, double?[]? Difference, IReadOnlyList<double?[]> Curve, IReadOnlyList<double?[]> Rates);
