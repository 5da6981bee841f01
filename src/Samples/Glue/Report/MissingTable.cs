namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>The runs that were asked for and have not ended.</summary>
internal static class MissingTable
{
    public static ReportTable Of(Section section) => new(
        "missing", "Missing runs",
        "Asked for and not there: not started, or under way. The same command goes on from here. Runs that failed are listed apart.",
        ["strategy", "task", "missing", "of", "which"],
        [
            .. from row in section.Rows
               from task in section.Tasks
               let planned = row.Planned.GetValueOrDefault(task)
               where planned is { Missing.Count: > 0 }
               select (IReadOnlyList<TableCell>)
               [
                   new(row.Label), new(TaskNames.Display(task)), new(Figures.Count(planned.Missing.Count)), new(Figures.Count(planned.Planned)), new(Which(planned)),
               ],
        ]);

    private static string Which(MissingRuns planned) => string.Join("; ", planned.Missing.GroupBy(r => r.Rate)
        .Select(g => $"{(g.Key is { } rate ? $"lr {Figures.Rate(rate)}" : "the rate to be selected")}, seed {string.Join(", ", g.Select(r => r.Seed))}"));
}
