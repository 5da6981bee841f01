using System.Globalization;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Inspection;

/// <summary>A report for people at a terminal.</summary>
internal static class InspectionTable
{
    /// <param name="terminal">Where to.</param>
    /// <param name="report">Of the start asked for.</param>
    /// <param name="other">Of the one that it is compared with; or null.</param>
    public static void Write(Terminal terminal, InspectionReport report, InspectionReport? other = null)
    {
        Layers(terminal, report);
        if (other is null)
            return;
        Layers(terminal, other);
        terminal.Heading("Side by side, all layers together");
        List<string[]> rows = [.. Measure.In(report, other).Select(m => (string[])[m.Title, m.Of(report.Total), m.Of(other.Total)])];
        string[] head = ["measure", (string)report.Initialization["name"]!, (string)other.Initialization["name"]!];
        TextTable.Write(terminal, head, rows);
    }

    private static void Layers(Terminal terminal, InspectionReport report)
    {
        var method = (string?)report.Method?["name"] is { } name and not "lora" ? $"{name}, " : "";
        terminal.Heading($"{method}{Measure.Strategy(report.Initialization)} on {report.BaseModel}");
        var measures = Measure.In(report);
        string[] head = ["layer", "r", .. measures.Select(m => m.Short)];
        List<string[]> rows =
        [
            .. report.Layers.Select(l => (string[])[Measure.ShortName(l.Module), $"{l.Rank}", .. measures.Select(m => m.Of(l.Measures))]),
            ["together", "", .. measures.Select(m => m.Of(report.Total))],
        ];
        TextTable.Write(terminal, head, rows, total: true);
        foreach (var line in Sentences(report))
            terminal.Output.WriteLine(line);
    }

    /// <summary>What does not fit a table of layers.</summary>
    /// <param name="report">Of which.</param>
    /// <param name="alone">Whether the one that it is compared with is not shown by itself.</param>
    public static IEnumerable<string> Sentences(InspectionReport report, bool alone = true)
    {
        var change = report.OutputChange;
        var rows = report.DataRows > 0 ? $"{report.ProbeRows} of {report.DataRows} training rows" : $"{report.ProbeRows} rows of random tokens";
        yield return $"Before the first step, on {rows}: logits change by {Measure.Text(change.MaxLogit)} at most and {Measure.Text(change.MeanLogit)} in the mean (their mean size is {Measure.Text(change.BaseMeanLogit)}), the last hidden states by {Measure.Part(change.Hidden)} of their norm.";
        if (report.BaseRounding is { } rounding)
            yield return $"The base itself, in {report.Precision}, is {Measure.Text(rounding)} of that norm from fp32, and so is kaiming's start.";
        foreach (var warning in report.Warnings)
            yield return warning;
        if (report.LargestEigenvalue is { } eigenvalue)
            yield return $"The largest eigenvalue of the loss's Hessian by the adapters' factors is about {Measure.Text(eigenvalue)}.";
        yield return $"{(string)report.Initialization["name"]!} took {Cost(report.Cost)} on {report.Device}.";
        if (alone && report is { Against: { } against, AgainstCost: { } cost })
            yield return $"Compared with {Measure.Strategy(against)}, which took {Cost(cost)}.";
    }

    private static string Cost(InitializationCost cost)
    {
        var device = cost.DeviceBytes is null ? "" : $" and {Measure.Bytes(cost.DeviceBytes)} on the device";
        return string.Create(CultureInfo.InvariantCulture, $"{cost.Seconds:0.00} s and {Measure.Bytes(cost.ProcessBytes)} of memory{device}");
    }
}
