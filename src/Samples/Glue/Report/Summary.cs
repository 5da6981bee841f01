namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>What is said of all runs together.</summary>
internal static class Summary
{
    public static string Line(ReportModel model)
    {
        var strategies = model.Sections.Sum(s => s.Rows.Count);
        var tasks = model.Sections.SelectMany(s => s.Tasks).Distinct().Count();
        return $"{Counted(model.Runs, "run")}: {Counted(strategies, strategies == 1 ? "strategy" : "strategies", plural: "")} on {Counted(tasks, "task")}; "
            + $"{Counted(model.Runs - model.Failed.Count, "run")} finished, {model.Failed.Count} failed{Missing(model)}.";
    }

    private static string Missing(ReportModel model)
    {
        var planned = model.Sections.SelectMany(s => s.Rows).SelectMany(r => r.Planned.Values).ToArray();
        var missing = planned.Sum(p => p.Missing.Count);
        return missing == 0 ? "" : $"; {missing} of {Counted(planned.Sum(p => p.Planned), "run")} asked for are missing";
    }

    public static ReportTable Failures(ReportModel model) => new(
        "failures", "Failed runs", "Runs that ended with an error; 'glue --retry-failed' runs them again.",
        ["run", "reason"],
        [.. model.Failed.Select(r => (IReadOnlyList<TableCell>)[new(r.Config.Name()), new(r.ExitReason)])]);

    public static ReportTable Environments(ReportModel model) => new(
        "environments", "Where it ran", "Each combination of machine and versions among the runs.",
        ["device", "processor", "system", ".NET", "TorchSharp", "library"],
        [
            .. model.Environments.Select(e => (IReadOnlyList<TableCell>)
            [
                new(e.Device), new($"{e.Processor}, {e.Processors} logical"), new($"{e.OperatingSystem} {e.Architecture}"), new(e.DotNet), new(e.TorchSharp), new(e.Library),
            ]),
        ]);

    private static string Counted(int count, string noun, string plural = "s") => $"{Figures.Count(count)} {noun}{(count == 1 ? "" : plural)}";
}
