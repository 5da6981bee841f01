using System.CommandLine;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Steps;

/// <summary><c>methods</c>: a step's time of LoRA's variants beside plain LoRA.</summary>
internal static class MethodsBenchmark
{
    private const string Name = "methods";

    public static CliCommand Create()
    {
        var command = new CliCommand(Name, "Step time of LoRA and of its variants in one run: random weights of a shape, r = 8 on query and value plus the head, AdamW, clip 1.0.");
        var shape = new Option<string>("--shape") { Description = "The model's shape.", DefaultValueFactory = _ => "mini" }.AcceptOnlyFromAmong(Models.ModelShape.Names);
        var methods = new Option<string[]>("--method") { Description = "Measured in this order.", DefaultValueFactory = _ => Variants, AllowMultipleArgumentsPerToken = true };
        var batch = new Option<int>("--batch") { Description = "Rows a step.", DefaultValueFactory = _ => 32 };
        var length = new Option<int>("--length") { Description = "Tokens a row.", DefaultValueFactory = _ => 64 };
        var precision = CommonOptions.Precision();
        var steps = new Option<int>("--steps") { Description = "Steps of a timed block.", DefaultValueFactory = _ => 20 };
        foreach (var option in (Option[])[shape, methods, batch, length, precision, steps])
            command.Options.Add(option);
        CommonOptions.Attach(command, (result, device, report) =>
        {
            var all = result.GetRequiredValue(methods);
            Measure(all[0]); // what a process does once is no method's own
            foreach (var method in all)
                report.Add(Measure(method));

            BenchmarkRow Measure(string method)
            {
                using var scope = NewDisposeScope();
                return EngineSteps.Measure(Name, new StepSetup
                {
                    Shape = result.GetRequiredValue(shape),
                    Method = method,
                    Batch = result.GetValue(batch),
                    Length = result.GetValue(length),
                    Precision = result.GetRequiredValue(precision),
                    Dropout = 0.1,
                    Device = device,
                    Steps = result.GetValue(steps),
                    Warmup = 5,
                });
            }
        });
        return command;
    }

    private static string[] Variants => ["lora", .. FineTuningMethod.Names.Where(n => FineTuningMethod.Parse(n) is LoraFamilyMethod or FullMethod or FullFamilyMethod or PfeifferMethod or AdapterFusionMethod)];
}
