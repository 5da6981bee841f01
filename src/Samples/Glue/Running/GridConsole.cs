using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.LoraInit.Samples.Glue.Report;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Glue.Running;

/// <summary>A line for each run that starts or ends.</summary>
internal sealed class GridConsole(TextWriter output) : IGridObserver
{
    private readonly long _started = Stopwatch.GetTimestamp();
    private int _toRun;
    private int _ended;

    public void Planned(int cells, int toRun)
    {
        _toRun = toRun;
        output.WriteLine($"{Count.Of(cells, "run")}, {cells - toRun} of them ended earlier, {toRun} to go.");
    }

    public void Started(RunConfig config, int slot) => output.WriteLine($"start  {Describe(config)}");

    public void LeftToOthers(RunConfig config) => output.WriteLine($"leave  {Describe(config)}: another process has it");

    public void Ended(RunRecord record)
    {
        _ended++;
        var left = Stopwatch.GetElapsedTime(_started) / _ended * (_toRun - _ended);
        var result = record.Status == RunStatus.Finished
            ? string.Create(CultureInfo.InvariantCulture,
                $"{record.MetricName} {Figures.Percent(record.Metric!.Value)} at epoch {record.BestEpoch}, {Figures.Seconds(record.Timings.Preparation + record.Timings.Training)} of initialisation and training")
            : $"FAILED: {record.ExitReason}";
        output.WriteLine($"[{_ended}/{_toRun}] {Describe(record.Config)}: {result}; about {Figures.Seconds(left.TotalSeconds)} left");
    }

    /// <summary>A run in some words.</summary>
    public static string Describe(RunConfig config) => string.Create(CultureInfo.InvariantCulture,
        $"{config.Task} {config.Method}{(config.Rank > 0 ? $" {config.Initialization} r{config.Rank}" : "")} lr {Figures.Rate(config.LearningRate)} seed {config.Seed}");
}
