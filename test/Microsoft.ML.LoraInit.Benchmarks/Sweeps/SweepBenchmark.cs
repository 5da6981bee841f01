using System.CommandLine;
using System.Globalization;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;

namespace Microsoft.ML.LoraInit.Benchmarks.Sweeps;

/// <summary><c>sweep</c>: runs that differ in start and rate, one by one, several at a time, and as several processes.</summary>
internal static class SweepBenchmark
{
    /// <summary>What a process's share prints its seconds after.</summary>
    public const string ShareLine = "share_seconds ";

    public static CliCommand Create()
    {
        var command = new CliCommand("sweep", "A sweep of starts × rates over a GLUE task: one by one, several at a time in one process, and as several processes at a time. Times are from when base and rows are there.");
        var bases = new BaseOptions(command);
        var data = new Option<string>("--data") { Description = "Folder with the tasks' folders.", HelpName = "DIR", Required = true };
        var task = new Option<string>("--task") { DefaultValueFactory = _ => "mrpc" };
        var batch = new Option<int>("--batch") { DefaultValueFactory = _ => 32 };
        var epochs = new Option<int>("--epochs") { DefaultValueFactory = _ => 3 };
        var starts = new Option<string[]>("--init") { DefaultValueFactory = _ => ["kaiming", "gaussian", "orthogonal", "nonzero", "pissa", "milora", "olora", "inilora-alpha"], AllowMultipleArgumentsPerToken = true };
        var rates = CommonOptions.List("--rate", "Learning rates.", 3e-4, 1e-3, 2e-3);
        var ways = new Option<string[]>("--way") { Description = "one, threads:N or processes:N.", DefaultValueFactory = _ => ["one", "threads:4", "processes:4"], AllowMultipleArgumentsPerToken = true };
        var share = new Option<string?>("--share") { Hidden = true };
        var precision = CommonOptions.Precision();
        foreach (var option in (Option[])[data, task, batch, epochs, starts, rates, ways, share, precision])
            command.Options.Add(option);
        CommonOptions.Attach(command, (result, device, report) =>
        {
            using var opened = bases.Open(result);
            var runs = new SweepRuns(opened, GlueTask.Parse(result.GetRequiredValue(task)), result.GetRequiredValue(data), device, result.GetRequiredValue(precision),
                result.GetValue(batch), result.GetValue(epochs), result.GetRequiredValue(starts), result.GetRequiredValue(rates));
            if (result.GetValue(share)?.Split('/') is [var part, var of])
            {
                var (seconds, _) = runs.Train(int.Parse(part, CultureInfo.InvariantCulture), int.Parse(of, CultureInfo.InvariantCulture));
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{ShareLine}{seconds:R}"));
                return;
            }
            double? one = null;
            foreach (var way in result.GetRequiredValue(ways))
            {
                var (kind, count) = way.Split(':') is [var k, var n] ? (k, int.Parse(n, CultureInfo.InvariantCulture)) : (way, (int?)null);
                var (seconds, metrics) = kind switch
                {
                    "one" => runs.Train(0, 1),
                    "threads" => runs.Train(0, 1, count ?? 1),
                    "processes" => (SweepRuns.Processes(count ?? 1, Environment.GetCommandLineArgs()[1..]), []),
                    _ => throw new ArgumentException($"--way: '{way}' is none of one, threads:N and processes:N."),
                };
                one ??= kind == "one" ? seconds : null;
                report.Add(Row(runs, way, seconds, one, metrics));
            }
        });
        return command;
    }

    private static BenchmarkRow Row(SweepRuns runs, string way, double seconds, double? one, double[] metrics)
    {
        var configuration = new SortedDictionary<string, object>(StringComparer.Ordinal)
        {
            ["task"] = runs.Task.Name,
            ["shape"] = runs.Base.Name,
            ["batch"] = runs.Batch,
            ["precision"] = runs.Precision,
            ["epochs"] = runs.Epochs,
            ["runs"] = runs.Count,
            ["device"] = runs.Device.type == TorchSharp.DeviceType.CUDA ? "cuda" : "cpu",
        };
        var row = new BenchmarkRow("sweep", way, configuration, new(StringComparer.Ordinal) { ["seconds"] = seconds, ["run_seconds"] = seconds / runs.Count });
        if (one is { } alone)
            row.Metrics["times_one_by_one"] = alone / seconds;
        if (metrics.Length > 0)
            (row.Metrics["metric_mean"], row.Metrics["metric_max"]) = (metrics.Average(), metrics.Max());
        return row;
    }
}
