using Spectre.Console;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>A run's result for people.</summary>
internal static class Summary
{
    public static void Write(Terminal terminal, RunReport report, string? modelPath)
    {
        if (report.TrainableParameters is { } trainable && report.TotalParameters is { } total)
            terminal.Output.WriteLine($"Trained {trainable:N0} of {total:N0} parameters ({100.0 * trainable / total:0.0} %), best epoch {report.BestEpoch}{Speed(report)}.");
        (string, double)[] metrics = [.. report.Labels is { } labels ? MultiLabelReport.Present(labels) : Metrics.Present(report.Metrics), .. report.Calibration?.Present() ?? []];
        if (metrics.Length == 0)
            terminal.Output.WriteLine("No metrics: give --validation or --validation-fraction to get some.");
        else
            Table(terminal, metrics);
        if (report.Calibration is { Fitted: { } fitted })
            terminal.Output.WriteLine($"Calibrated on {fitted.FittedRows} validation rows ({CalibrationFigures.Says(fitted.Temperature, fitted.Bend)}); calibration error and Brier score are those of each half under the other half's calibration.");
        if (report.Labels is { } each)
            MultiLabelReport.WriteLabels(terminal, each);
        if (modelPath is not null)
            terminal.Output.WriteLine($"Model saved to {Path.GetFullPath(modelPath)} ({new FileInfo(modelPath).Length / 1048576.0:0.0} MB).");
    }

    public static void Table(Terminal terminal, IReadOnlyCollection<(string Name, double Value)> metrics)
    {
        if (!terminal.Live)
        {
            int width = Math.Max(10, metrics.Max(m => m.Name.Length));
            foreach (var (name, value) in metrics)
                terminal.Output.WriteLine($"{name.PadRight(width)} {value:0.0000;-0.0000;0.0000}");
            return;
        }
        var table = new Table().Border(TableBorder.Rounded).AddColumn("metric").AddColumn(new TableColumn("value").RightAligned());
        foreach (var (name, value) in metrics)
            table.AddRow(Markup.Escape(name), $"[bold]{value:0.0000;-0.0000;0.0000}[/]");
        terminal.Console.Write(table);
    }

    private static string Speed(RunReport report) => report.TrainSamplesPerSecond is { } speed ? $", {speed:0} samples/s" : "";
}
