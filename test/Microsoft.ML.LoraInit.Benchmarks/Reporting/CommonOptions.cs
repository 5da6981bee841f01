using System.CommandLine;
using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Reporting;

/// <summary>What every benchmark is told: the device, the threads, where results go and what to compare them with.</summary>
internal sealed class CommonOptions
{
    private readonly Option<string> _device = new("--device") { HelpName = "cpu|cuda[:N]", DefaultValueFactory = _ => "cpu" };
    private readonly Option<int?> _threads = new("--threads") { Description = "CPU threads. Default: the machine's cores." };
    private readonly Option<string?> _json = new("--json") { Description = "Write machine, versions and medians to this file.", HelpName = "FILE" };
    private readonly Option<string[]> _python = new("--python") { Description = "Results of eng/benchmarks/peft_benchmark.py or roberta_cpu.py to compare with.", HelpName = "FILE", AllowMultipleArgumentsPerToken = true };

    private CommonOptions(CliCommand command)
    {
        foreach (var option in (Option[])[_device, _threads, _json, _python])
            command.Options.Add(option);
    }

    /// <summary>Gives a command its options and its way from start to printed ratios.</summary>
    public static void Attach(CliCommand command, Action<ParseResult, Device, BenchmarkReport> measure)
    {
        var options = new CommonOptions(command);
        command.SetAction(result =>
        {
            int threads = result.GetValue(options._threads) ?? Environment.ProcessorCount;
            set_num_threads(threads);
            ScoringOptions.ProcessThreads = threads;
            var device = torch.device(result.GetValue(options._device)!);
            if (device.type == DeviceType.CUDA && !cuda.is_available())
                throw new InvalidOperationException("CUDA is not available to TorchSharp.");
            var machine = Machine.Describe(device);
            var versions = Machine.Versions();
            Console.Out.WriteLine(string.Join(", ", machine.Concat(versions).Select(p => $"{p.Key}: {p.Value}")));
            var report = new BenchmarkReport();
            measure(result, device, report);
            foreach (var path in result.GetValue(options._python) ?? [])
                report.Join(path);
            report.Compare();
            if (result.GetValue(options._json) is { } file)
                report.Write(file, machine, versions);
        });
    }

    /// <summary>An option that takes numbers with commas between.</summary>
    public static Option<T[]> List<T>(string name, string description, params T[] values)
        where T : IParsable<T> => new(name)
        {
            Description = $"{description} Default: {string.Join(',', values)}.",
            HelpName = "N,N,…",
            DefaultValueFactory = _ => values,
            CustomParser = argument =>
            {
                var found = new List<T>();
                foreach (var part in argument.Tokens.SelectMany(t => t.Value.Split(',')))
                {
                    if (T.TryParse(part, CultureInfo.InvariantCulture, out var value))
                        found.Add(value);
                    else
                        argument.AddError($"{name}: '{part}' is not a number.");
                }
                return [.. found];
            },
        };

    /// <summary>The option's precision: <c>bf16</c> or <c>fp32</c>.</summary>
    public static Option<string> Precision() => new Option<string>("--precision") { Description = "Of the frozen base.", DefaultValueFactory = _ => "fp32" }.AcceptOnlyFromAmong("fp32", "bf16");

    public static Precision Parse(string precision) => precision == "bf16" ? LoraInit.Precision.BFloat16 : LoraInit.Precision.Float32;
}
