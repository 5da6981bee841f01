using System.CommandLine;
using System.Diagnostics;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Steps;

/// <summary>
/// <c>kernels</c>: what this library's own vector code gains over tensors in scoring on a CPU, in turns in one process, so that
/// whatever else the machine does meets both.
/// </summary>
internal static class KernelsBenchmark
{
    private const string Name = "kernels";
    private const string Tensors = "tensors";

    public static CliCommand Create()
    {
        var command = new CliCommand(Name, "Scoring by own vector code against tensors in fp32 on a CPU, in turns, random weights of a shape and rows of one length.");
        var shapes = new Option<string[]>("--shape") { Description = "Shapes, random weights.", DefaultValueFactory = _ => ["mini"], AllowMultipleArgumentsPerToken = true }.AcceptOnlyFromAmong(ModelShape.Names);
        var lengths = CommonOptions.List("--length", "Tokens a row.", 32, 128);
        var batch = new Option<int>("--batch") { Description = "Rows.", DefaultValueFactory = _ => 32 };
        var counts = CommonOptions.List("--thread-counts", "Threads, one run each.", [.. new[] { 1, Environment.ProcessorCount }.Distinct()]);
        var rounds = new Option<int>("--rounds") { Description = "Turns of each; the median of their ratios counts.", DefaultValueFactory = _ => 5 };
        foreach (var option in (Option[])[shapes, lengths, batch, counts, rounds])
            command.Options.Add(option);
        CommonOptions.Attach(command, (result, _, report) =>
        {
            foreach (var shape in result.GetRequiredValue(shapes))
                foreach (int length in result.GetRequiredValue(lengths))
                    foreach (int threads in result.GetRequiredValue(counts))
                    {
                        set_num_threads(threads);
                        ScoringOptions.ProcessThreads = threads;
                        InTurns(shape, result.GetValue(batch), length, threads, result.GetValue(rounds), report);
                    }
        });
        return command;
    }

    private static void InTurns(string shape, int batch, int length, int threads, int rounds, BenchmarkReport report)
    {
        var config = ModelShape.Config(shape, 0);
        var texts = new StepSetup { Shape = shape, Batch = batch, Length = length, Precision = "fp32", Dropout = 0, Device = CPU }.Data(config.VocabularySize, batch).Texts;
        using var weights = ModelShape.RandomWeights(shape, 0, ScalarType.Float32, CPU);
        using var ours = Predictor(true);
        using var theirs = Predictor(false);
        (_, _) = (Milliseconds(ours), Milliseconds(theirs));
        var turns = Enumerable.Range(0, rounds).Select(_ => (Ours: Milliseconds(ours), Theirs: Milliseconds(theirs))).ToArray();
        Add(BenchmarkReport.Ours, t => t.Ours);
        Add(Tensors, t => t.Theirs);

        RobertaPredictor Predictor(bool onHost)
        {
            var all = weights.Tensors.ToDictionary(t => t.Key, t => t.Value.clone(), StringComparer.Ordinal);
            foreach (var (name, value) in HeadInitializer.Create(config, StepSetup.Classes, 1, CPU))
                all[name] = value;
            return new(config, all, new() { CpuThreads = threads, ScoresOnHost = onHost });
        }

        double Milliseconds(RobertaPredictor predictor)
        {
            var started = Stopwatch.GetTimestamp();
            predictor.Predict(texts);
            return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        }

        void Add(string variant, Func<(double Ours, double Theirs), double> of) => report.Add(new(
            Name,
            variant,
            new(StringComparer.Ordinal) { ["shape"] = shape, ["batch"] = batch, ["length"] = length, ["threads"] = threads },
            new(StringComparer.Ordinal)
            {
                [BenchmarkRow.Speed] = 1000 * batch / Statistics.Median(turns.Select(of)),
                ["ms_min"] = turns.Min(of),
                ["times_of_a_turn"] = Statistics.Median(turns.Select(t => t.Theirs / t.Ours)),
            }));
    }
}
