using System.CommandLine;
using System.Diagnostics;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using Microsoft.ML.LoraInit.Inference;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary><c>engines</c>: the same model and rows through everything that scores on a CPU, in one run, in turns.</summary>
internal static class EnginesBenchmark
{
    private const string Name = "engines";
    private const string Tensors = "tensors";

    public static CliCommand Create()
    {
        var command = new CliCommand(Name, "Transform over a task's dev rows, tokenisation included: by tensors, by this library's fp32, and by ONNX Runtime in fp32 and 8 bits.");
        var bases = new Option<string[]>("--base") { Description = "Real weights, one or several.", HelpName = "mini|DIR", DefaultValueFactory = _ => ["mini"], AllowMultipleArgumentsPerToken = true };
        var data = new Option<string>("--data") { Description = "Folder with the tasks' folders.", HelpName = "DIR", Required = true };
        var task = new Option<string>("--task") { Description = "The GLUE task.", DefaultValueFactory = _ => "mrpc" };
        var rows = new Option<int>("--rows") { Description = "Rows at most.", DefaultValueFactory = _ => 4096 };
        var counts = CommonOptions.List("--thread-counts", "Threads, one run each.", [.. new[] { 1, Environment.ProcessorCount }.Distinct()]);
        var repeats = new Option<int>("--repeats") { Description = "Passes of each; their median counts.", DefaultValueFactory = _ => 5 };
        var save = new Option<string?>("--save") { Description = "Keep the fp32 ONNX files here, for ONNX Runtime's own quantiser.", HelpName = "DIR" };
        var quantized = new Option<string[]>("--quantized") { Description = "For each base a file that ONNX Runtime's own tool has quantised, to be run by hand.", HelpName = "FILE", AllowMultipleArgumentsPerToken = true };
        foreach (var option in (Option[])[bases, data, task, rows, counts, repeats, save, quantized])
            command.Options.Add(option);
        CommonOptions.Attach(command, (result, _, report) =>
        {
            var ml = new MLContext(seed: 0);
            var texts = InferenceBenchmark.DevRows(ml, GlueTask.Parse(result.GetRequiredValue(task)), result.GetRequiredValue(data), result.GetValue(rows));
            var files = result.GetValue(quantized) ?? [];
            foreach (var (index, name) in result.GetRequiredValue(bases).Index())
            {
                var checkpoint = RobertaCheckpoint.Parse(name);
                using var opened = new OpenedBase(checkpoint, checkpoint.Id == "mini" ? "mini" : Path.GetFileName(Path.TrimEndingDirectorySeparator(checkpoint.Id)), null, null);
                using var model = TrainedPipeline.Train(ml, opened, texts, null, Precision.Float32, CPU);
                if (result.GetValue(save) is { } folder)
                    model.SaveOnnxModel(Path.Combine(Directory.CreateDirectory(folder).FullName, $"{opened.Name}.onnx"));
                foreach (int threads in result.GetRequiredValue(counts))
                    Measure(ml, opened.Name, model, texts, threads, result.GetValue(repeats), files.ElementAtOrDefault(index), result.GetRequiredValue(task), report);
            }
        });
        return command;
    }

    private static void Measure(
        MLContext ml, string shape, LoraTextTransformer model, TextPairRow[] texts, int threads, int repeats, string? quantized, string task, BenchmarkReport report)
    {
        using var engines = new Engines(model, threads, quantized);
        var view = ml.Data.LoadFromEnumerable(texts);
        var schema = new ScoringSchema(view.Schema, model.Model.ModelSettings.Texts, model.Model.ModelSettings.Scores);
        var passes = engines.All.ToDictionary(e => e.Variant, _ => new List<(double Seconds, double Cpu)>());
        var scores = new Dictionary<string, float[]>();
        // In turns, so that what else the machine does meets all of them; the first pass of each is its warm-up.
        for (int pass = 0; pass <= repeats; pass++)
            foreach (var (variant, scorer) in engines.All)
            {
                set_num_threads(variant == Tensors ? threads : 1);
                var (started, cpu) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
                scores[variant] = [.. new ScoredDataView<TextPair, float[]>(view, schema, scorer).GetColumn<float>(nameof(PredictedRow.Probability))];
                if (pass > 0)
                    passes[variant].Add((Stopwatch.GetElapsedTime(started).TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds));
            }
        foreach (var (variant, _) in engines.All)
            report.Add(new(Name, variant, new(StringComparer.Ordinal) { ["task"] = task, ["shape"] = shape, ["threads"] = threads, ["device"] = "cpu" }, new(StringComparer.Ordinal)
            {
                [BenchmarkRow.Speed] = texts.Length / Statistics.Median([.. passes[variant].Select(p => p.Seconds)]),
                [BenchmarkRow.Cpu] = Statistics.Median([.. passes[variant].Select(p => p.Cpu)]) / texts.Length,
                ["rows"] = texts.Length,
                ["changed_labels"] = scores[variant].Zip(scores[Tensors]).Count(p => p.First > 0.5f != p.Second > 0.5f),
                ["largest_difference"] = scores[variant].Zip(scores[Tensors]).Max(p => Math.Abs(p.First - p.Second)),
            }));
    }

    /// <summary>One model in every engine.</summary>
    private sealed class Engines : IDisposable
    {
        private readonly List<IDisposable> _owned = [];

        public Engines(LoraTextTransformer model, int threads, string? quantized)
        {
            var trained = model.Model;
            using var files = trained.Checkpoint.Open(null, CancellationToken.None);
            using var weights = files.LoadWeights(CPU, ScalarType.Float32);
            var tokenizer = files.OpenTokenizer();
            Add(Tensors, Scorer(new() { CpuThreads = threads }));
            Add(BenchmarkReport.Ours, Scorer(new() { CpuThreads = threads, ScoresOnHost = true }));
            foreach (bool int8 in new[] { false, true })
            {
                var onnx = model.ToOnnxRuntime(new() { Int8 = int8, CpuThreads = threads });
                _owned.Add(onnx);
                All.Add((int8 ? "ours_onnx_int8" : "ours_onnx", onnx.Model.Scorer));
            }
            if (quantized is not null)
                Add("by_hand_int8", new HandDrivenScorer(quantized, tokenizer, trained.ModelSettings.MaxLength, trained.State.Config.PadTokenId, threads));

            TextScorer Scorer(PredictorOptions options) => new(
                new(tokenizer, trained.ModelSettings.MaxLength, LongText.Truncate), new RobertaPredictor(trained.State.Config, trained.State.MergedWeights(weights, CPU, ScalarType.Float32), options));
        }

        public List<(string Variant, ITextScorer Scorer)> All { get; } = [];

        public void Dispose()
        {
            foreach (var one in _owned)
                one.Dispose();
        }

        private void Add(string variant, ITextScorer scorer)
        {
            _owned.Add(scorer);
            All.Add((variant, scorer));
        }
    }
}
