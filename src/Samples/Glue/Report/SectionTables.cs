namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>The tables on one base model.</summary>
internal static class SectionTables
{
    public static IReadOnlyList<ReportTable> Of(Section section)
    {
        var tables = new List<ReportTable> { Results(section) };
        if (section.Rows.Any(r => r.Difference is not null))
            tables.Add(Differences(section));
        if (section.Rows.Any(r => r.Peers.Count > 0))
            tables.Add(PeerTable.Of(section));
        if (section.Rows.Any(r => r.Planned.Values.Any(m => m.Missing.Count > 0)))
            tables.Add(MissingTable.Of(section));
        tables.Add(Rates(section));
        if (section.Rows.SelectMany(r => r.Cells.Values).Any(c => c.Rates.Count >= StableRateTable.FewestRates))
            tables.Add(StableRateTable.Of(section));
        if (section.Rows.SelectMany(r => r.Cells.Values).Select(c => c.FactorizationError).OfType<double>().Distinct().Skip(1).Any())
            tables.Add(FitTable.Of(section));
        tables.Add(Costs(section));
        return tables;
    }

    private static ReportTable Results(Section section)
    {
        var best = section.Tasks.ToDictionary(t => t, t => Spread.Highest(section.Rows.Select(r => r.Cells.GetValueOrDefault(t)?.Spread)));
        var bestAverage = Spread.Highest(section.Rows.Select(r => r.Average));
        var rows = section.Rows.Select(row => (IReadOnlyList<TableCell>)
        [
            new(row.Label, row.IsReference ? "reference" : null),
            .. section.Tasks.Select(task => row.Cells.TryGetValue(task, out var cell)
                ? new TableCell(
                    Figures.Percent(cell.Spread),
                    $"lr {Figures.Rate(cell.Rate)}, n = {cell.Spread.Count}{Missing(row, task)}",
                    cell.Spread.Is(best[task]) ? CellMark.Best : CellMark.None)
                : TableCell.Missing with { Detail = Missing(row, task).TrimStart(',', ' ') is { Length: > 0 } missing ? missing : null }),
            row.Average is { } a
                ? new(Figures.Percent(a), $"n = {a.Count}", a.Is(bestAverage) ? CellMark.Best : CellMark.None)
                : TableCell.Missing,
        ]);
        var published = section.Published.Select(row => (IReadOnlyList<TableCell>)
        [
            new($"published: {row.Label}", row.Source, CellMark.Muted),
            .. section.Tasks.Select(task => row.Values.TryGetValue(task, out var value)
                ? new TableCell(Figures.Percent(value / 100), null, CellMark.Muted)
                : TableCell.Missing),
            // A paper's average is over its own tasks; over others it would be a figure that nobody published.
            row.Average is { } average && row.Values.Count == section.Tasks.Count && section.Tasks.All(row.Values.ContainsKey)
                ? new(Figures.Percent(average / 100), null, CellMark.Muted)
                : TableCell.Missing,
        ]);
        return new(
            "results", "Results",
            "Dev set, in percent, at the best epoch of each run: mean ± standard deviation (n − 1) over n seeds, at the learning rate "
            + "selected for the strategy and task by the highest mean of the same metric over the seeds that ran at every rate. "
            + (section.SweepSeeds is { } swept
                ? $"The rates were swept with the first {(swept == 1 ? "seed" : $"{swept} seeds")}; the other seeds ran at the selected rate alone. "
                : "")
            + "The average is over the tasks shown; its deviation is that of the seeds' averages. "
            + $"Bold is the highest mean of a column among cells of equal n, from {Difference.FewestPairs} seeds on; it is not a test, the differences have one."
            + string.Concat(section.Published.Select(p => p.Caveat).OfType<string>().Distinct().Select(c => " " + c)),
            ["strategy", .. section.Tasks.Select(t => Header(section, t)), "average"],
            [.. rows, .. published]);
    }

    private static string Missing(Row row, string task) =>
        row.Planned.TryGetValue(task, out var planned) && planned.Missing.Count > 0 ? $", {planned.Missing.Count} of {planned.Planned} runs missing" : "";

    private static ReportTable Differences(Section section) => new(
        "differences", "Differences to LoRA (kaiming)",
        $"Percentage points, paired by seed, each strategy at its own selected rate: the mean difference and its {100 * PairedT.Confidence:0} % "
        + "paired t interval; n counts the pairs. Over tasks is the mean over the tasks that both have, for the seeds that have them all. "
        + $"▲ and ▼ mark what a paired t test finds at {100 * Difference.Level:0} % after Holm's correction over all of this table; below "
        + $"{Difference.FewestPairs} pairs nothing is tested or marked.",
        ["strategy", .. section.Tasks.Select(t => new TableCell(TaskNames.Display(t))), "over tasks"],
        [
            .. section.Rows.Where(r => r.Difference is not null).Select(row => (IReadOnlyList<TableCell>)
            [
                new(row.Label),
                .. section.Tasks.Select(t => Of(row.Cells.GetValueOrDefault(t)?.Difference)),
                Of(row.Difference),
            ]),
        ]);

    private static TableCell Of(Difference? difference) => difference is { Pairs: > 0 } d
        ? new(Sign(d.Mark) + Figures.Signed(d.Mean), $"{Figures.Interval(d)}, n = {d.Pairs}", d.Mark)
        : TableCell.Missing;

    private static string Sign(CellMark mark) => mark switch { CellMark.Better => "▲ ", CellMark.Worse => "▼ ", _ => "" };

    private static ReportTable Rates(Section section)
    {
        double[] rates = [.. section.Rows.SelectMany(r => r.Cells.Values).SelectMany(c => c.Rates).Select(r => r.Rate).Distinct().Order()];
        return new(
            "rates", "Every learning rate tried",
            "Mean ± standard deviation in percent, and n; the rate selected is bold. What failed is counted apart.",
            ["strategy", "task", .. rates.Select(r => new TableCell(Figures.Rate(r)))],
            [
                .. from row in section.Rows
                   from task in section.Tasks
                   let cell = row.Cells.GetValueOrDefault(task)
                   where cell is not null
                   select (IReadOnlyList<TableCell>)
                   [
                       new(row.Label), new(TaskNames.Display(task)),
                       .. rates.Select(rate => cell.Rates.FirstOrDefault(r => r.Rate.Equals(rate)) is { } result ? Tried(result, cell.Rate) : TableCell.Missing),
                   ],
            ]);
    }

    private static TableCell Tried(RateResult result, double selected)
    {
        var failed = result.FailedSeeds.Count > 0 ? $", {result.FailedSeeds.Count} failed" : "";
        return result.Spread.Count == 0
            ? new("–", $"n = 0{failed}", CellMark.Muted)
            : new(Figures.Percent(result.Spread), $"n = {result.Spread.Count}{failed}", result.Rate.Equals(selected) ? CellMark.Best : CellMark.None);
    }

    private static ReportTable Costs(Section section) => new(
        "costs", "Time and memory",
        "Means over the seeds at the selected rate; memory is the largest peak. Preparation is the initialisation with all that it needs; "
        + "evaluation is scoring the dev set after each epoch. Runs in parallel share a process, its memory and the device, so their times are "
        + "longer than those of a run alone; factors that inilora fits are kept on disk, and the first run of a base, rank and seed pays for them.",
        ["strategy", "task", "trained parameters", "preparation", "training", "evaluation", "rows/s", "process", "GPU", "in parallel"],
        [
            .. from row in section.Rows
               from task in section.Tasks
               let cell = row.Cells.GetValueOrDefault(task)
               where cell is not null
               let costs = cell.Costs
               select (IReadOnlyList<TableCell>)
               [
                   new(row.Label), new(TaskNames.Display(task)), new(Figures.Count(costs.Trainable)), new(Figures.Seconds(costs.Preparation)),
                   new(Figures.Seconds(costs.Training)), new(Figures.Seconds(costs.Evaluation)), new(Figures.Count(costs.SamplesPerSecond)),
                   new(Figures.Bytes(costs.ProcessBytes)), new(Figures.Bytes(costs.DeviceBytes)), new(Figures.Count(costs.RunsInParallel)),
               ],
        ]);

    private static TableCell Header(Section section, string task)
    {
        var metric = section.Metrics.GetValueOrDefault(task);
        var rows = section.Data.TryGetValue(task, out var d) ? $"{Figures.Count(d.TrainRows)} / {Figures.Count(d.DevRows)} rows" : null;
        var detail = string.Join(", ", new[] { metric, rows }.OfType<string>());
        return new(TaskNames.Display(task), detail.Length > 0 ? detail : null);
    }
}
