using System.CommandLine;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Steps;

/// <summary><c>training</c>: step times of the engine and of the same operations called straight on TorchSharp.</summary>
internal static class TrainingBenchmark
{
    private const string Name = "training";

    public static CliCommand Create()
    {
        var command = new CliCommand(Name, "Step time of LoRA fine-tuning, every row at the stated length: random weights of a shape, r = 8 on query and value plus the head, AdamW, clip 1.0.");
        var shape = new Option<string>("--shape") { Description = "The model's shape.", DefaultValueFactory = _ => "base" }.AcceptOnlyFromAmong(ModelShape.Names);
        var batch = CommonOptions.List("--batch", "Rows a step.", 32);
        var length = CommonOptions.List("--length", "Tokens a row.", 32, 128, 512);
        var dropout = CommonOptions.List("--dropout", "Dropout of hidden states, attention and head.", 0.1);
        var precision = CommonOptions.Precision();
        var steps = new Option<int>("--steps") { Description = "Steps of a timed block.", DefaultValueFactory = _ => 50 };
        var warmup = new Option<int>("--warmup") { Description = "Steps before.", DefaultValueFactory = _ => 10 };
        var blocks = new Option<int>("--blocks") { Description = "Timed blocks; their median counts.", DefaultValueFactory = _ => 3 };
        var rate = new Option<double>("--learning-rate") { Description = "0 keeps the model as it starts: both variants then give one mean loss.", DefaultValueFactory = _ => 1e-3 };
        var variants = new Option<string[]>("--variant") { Description = "Ours, or the same operations called straight on TorchSharp.", DefaultValueFactory = _ => [BenchmarkReport.Ours, PlainSteps.Variant], AllowMultipleArgumentsPerToken = true }.AcceptOnlyFromAmong(BenchmarkReport.Ours, PlainSteps.Variant);
        var inits = new Option<string[]>("--init") { Description = "How the adapters start; several are measured one after another.", DefaultValueFactory = _ => ["kaiming"], AllowMultipleArgumentsPerToken = true };
        var devices = new Option<string?>("--devices") { Description = "Measures training on several devices together against training on the first alone, and how far apart the trained values are (fp32, no dropout). Takes the place of --device and --variant.", HelpName = "cuda:0,cuda:1,…" };
        foreach (var option in (Option[])[shape, batch, length, dropout, precision, steps, warmup, blocks, rate, variants, inits, devices])
            command.Options.Add(option);
        CommonOptions.Attach(command, (result, device, report) =>
        {
            var together = result.GetValue(devices)?.Split(',').Select(d => new Device(d)).ToArray();
            var setups = from b in result.GetRequiredValue(batch)
                         from l in result.GetRequiredValue(length)
                         from d in result.GetRequiredValue(dropout)
                         from i in result.GetRequiredValue(inits)
                         select new StepSetup
                         {
                             Shape = result.GetRequiredValue(shape),
                             Batch = b,
                             Initialization = i,
                             Length = l,
                             Precision = result.GetRequiredValue(precision),
                             Dropout = d,
                             Device = together?[0] ?? device,
                             Steps = result.GetValue(steps),
                             Warmup = result.GetValue(warmup),
                             Blocks = result.GetValue(blocks),
                             LearningRate = result.GetValue(rate),
                         };
            if (together is null)
                Run([.. setups], result.GetRequiredValue(variants), report);
            else
                SeveralDevices.Run(Name, [.. setups], together[1..], report);
        });
        return command;
    }

    // Ours first, from the smallest: device memory that the allocator keeps then counts against us, if against anyone.
    private static void Run(StepSetup[] setups, string[] variants, BenchmarkReport report)
    {
        foreach (var variant in variants.OrderBy(v => v != BenchmarkReport.Ours))
        {
            foreach (var setup in setups.OrderBy(s => s.Batch * s.Length))
            {
                using var scope = NewDisposeScope();
                report.Add(variant switch
                {
                    BenchmarkReport.Ours => EngineSteps.Measure(Name, setup),
                    _ => PlainSteps.Measure(Name, setup, withPeak: !variants.Contains(BenchmarkReport.Ours)),
                });
            }
        }
    }
}
