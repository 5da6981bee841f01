using System.CommandLine;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Steps;

/// <summary><c>growth</c>: how samples a second and memory change with one thing at a time.</summary>
internal static class GrowthBenchmark
{
    private const string Name = "growth";
    private static readonly string[] Axes = ["batch", "length", "rank", "layers", "rows"];

    public static CliCommand Create()
    {
        var command = new CliCommand(Name, "Samples a second and memory of our training against batch size, length, rank, number of adapted layers (counted from the top) and rows of the data set, one at a time, the others as --at-… say.");
        var shape = new Option<string>("--shape") { Description = "The model's shape, with random weights.", DefaultValueFactory = _ => "base" }.AcceptOnlyFromAmong(ModelShape.Names);
        var axes = new Option<string[]>("--axis") { Description = "What changes.", DefaultValueFactory = _ => Axes, AllowMultipleArgumentsPerToken = true }.AcceptOnlyFromAmong(Axes);
        var batch = CommonOptions.List("--batch", "Rows a step.", 1, 8, 32, 128);
        var length = CommonOptions.List("--length", "Tokens a row.", 16, 32, 64, 128, 256, 512);
        var rank = CommonOptions.List("--rank", "r.", 1, 4, 8, 16, 64);
        var layers = CommonOptions.List("--layers", "Adapted layers; those the model lacks are left out.", 1, 2, 4, 8, 12);
        var rows = CommonOptions.List("--rows", "Rows of the data set: a whole run of one epoch, its start and end included.", 256, 1024, 4096, 16384);
        var atBatch = new Option<int>("--at-batch") { DefaultValueFactory = _ => 32 };
        var atLength = new Option<int>("--at-length") { DefaultValueFactory = _ => 128 };
        var dropout = new Option<double>("--dropout") { DefaultValueFactory = _ => 0.1 };
        var precision = CommonOptions.Precision();
        var steps = new Option<int>("--steps") { Description = "Steps of a timed block.", DefaultValueFactory = _ => 30 };
        foreach (var option in (Option[])[shape, axes, batch, length, rank, layers, rows, atBatch, atLength, dropout, precision, steps])
            command.Options.Add(option);
        CommonOptions.Attach(command, (result, device, report) =>
        {
            var centre = new StepSetup
            {
                Shape = result.GetRequiredValue(shape),
                Batch = result.GetValue(atBatch),
                Length = result.GetValue(atLength),
                Precision = result.GetRequiredValue(precision),
                Dropout = result.GetValue(dropout),
                Device = device,
                Steps = result.GetValue(steps),
            };
            var depth = ModelShape.Config(centre.Shape, 0).Layers;
            var setups = new Dictionary<string, IEnumerable<StepSetup>>
            {
                ["batch"] = result.GetRequiredValue(batch).Select(v => centre with { Batch = v }),
                ["length"] = result.GetRequiredValue(length).Select(v => centre with { Length = v }),
                ["rank"] = result.GetRequiredValue(rank).Select(v => centre with { Rank = v }),
                ["layers"] = result.GetRequiredValue(layers).Where(v => v <= depth).Select(v => centre with { AdaptedLayers = v }),
            };
            foreach (var axis in result.GetRequiredValue(axes))
            {
                foreach (var setup in axis == "rows" ? [] : setups[axis])
                {
                    using var scope = NewDisposeScope();
                    report.Add(Marked(EngineSteps.Measure(Name, setup), axis, setup));
                }
                foreach (var count in axis == "rows" ? result.GetRequiredValue(rows) : [])
                {
                    using var scope = NewDisposeScope();
                    report.Add(WholeRun(centre, count));
                }
            }
        });
        return command;
    }

    private static BenchmarkRow Marked(BenchmarkRow row, string axis, StepSetup setup)
    {
        row.Configuration["axis"] = axis;
        row.Configuration["rank"] = setup.Rank;
        row.Configuration["layers"] = setup.AdaptedLayers ?? ModelShape.Config(setup.Shape, 0).Layers;
        return row;
    }

    private static BenchmarkRow WholeRun(StepSetup setup, int rows)
    {
        var (seconds, peak) = EngineSteps.Run(setup, rows);
        var metrics = new SortedDictionary<string, double>(StringComparer.Ordinal) { [BenchmarkRow.Speed] = rows / seconds, ["seconds"] = seconds };
        if (peak is { } megabytes)
            metrics[BenchmarkRow.Peak] = megabytes;
        var row = Marked(new(Name, BenchmarkReport.Ours, setup.Configuration(), metrics), "rows", setup);
        row.Configuration["rows"] = rows;
        return row;
    }
}
