using System.CommandLine;
using System.Diagnostics;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary><c>host</c>: what <c>Transform</c> does beside the encoder, whose cost is taken out: the most rows a second that a GPU can be fed with.</summary>
internal static class HostBenchmark
{
    private const string Name = "host";

    public static CliCommand Create()
    {
        var command = new CliCommand(Name, "Rows a second of everything that Transform does beside the encoder (reading, tokenising, batching, laying out, reading back, calibrated columns), and of its parts on one thread.");
        var bases = new BaseOptions(command);
        var length = CommonOptions.List("--length", "Tokens of every row, of random words.", 32, 128, 512);
        var rows = new Option<int>("--rows") { Description = "Rows a pass.", DefaultValueFactory = _ => 8192 };
        var repeats = new Option<int>("--repeats") { Description = "Passes; the fastest counts, since what others do on the machine only slows.", DefaultValueFactory = _ => 5 };
        foreach (var option in (Option[])[length, rows, repeats])
            command.Options.Add(option);
        CommonOptions.Attach(command, (result, _, report) =>
        {
            using var opened = bases.Open(result);
            foreach (int tokens in result.GetRequiredValue(length))
                Measure(opened, TrainedPipeline.RandomRows(opened, result.GetValue(rows), tokens), tokens, result.GetValue(repeats), report);
        });
        return command;
    }

    private static void Measure(OpenedBase opened, TextPairRow[] rows, int length, int repeats, BenchmarkReport report)
    {
        using var files = opened.Checkpoint.Open(null, CancellationToken.None);
        var tokenizer = files.OpenTokenizer();
        var view = new MLContext(seed: 0).Data.LoadFromEnumerable(rows);
        var columns = new TextColumns(nameof(TextPairRow.Text), null);
        var scores = new BinaryColumns("Score", "Probability", "PredictedLabel").With(new(1.5, null));
        using var scorer = new TextScorer(new TextEncoder(tokenizer, length, LongText.Truncate), new RobertaPredictor(files.Config, new HostScorer(), new BatchingOptions()));
        var scored = new ScoredDataView<TextPair, float[]>(view, new ScoringSchema(view.Schema, columns, scores), scorer);
        EncodedText[] encoded = [.. rows.Select(r => tokenizer.Encode(r.Text, null, length))];

        Add(BenchmarkReport.Ours, () => scored.GetColumn<float>("Probability").Count(p => p > 0.4f));
        Add("read", () => view.GetColumn<string>(nameof(TextPairRow.Text)).Count());
        Add("tokenise", () =>
        {
            foreach (var row in rows)
                tokenizer.Encode(row.Text, null, length);
            return rows.Length;
        });
        Add("batch_and_lay_out", () => encoded.Chunk(ScoringWindow.Size).Sum(w => (int)HostScorer.LayOut(w, HostScorer.Plan(w))));

        void Add(string variant, Func<int> work)
        {
            var passes = Enumerable.Range(0, repeats).Select(_ =>
            {
                var (started, cpu, allocated) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime, GC.GetTotalAllocatedBytes());
                if (work() != rows.Length)
                    throw new InvalidOperationException($"'{variant}' did not see every row.");
                return (Seconds: Stopwatch.GetElapsedTime(started).TotalSeconds, Cpu: (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds, Bytes: GC.GetTotalAllocatedBytes() - allocated);
            }).ToArray();
            report.Add(new(Name, variant, new(StringComparer.Ordinal) { ["length"] = length, ["vocabulary"] = files.Config.VocabularySize }, new(StringComparer.Ordinal)
            {
                [BenchmarkRow.Speed] = rows.Length / passes.Min(p => p.Seconds),
                ["cpu_us_per_row"] = 1000 * passes.Min(p => p.Cpu) / rows.Length,
                ["allocated_bytes_per_row"] = passes.Min(p => p.Bytes) / (double)rows.Length,
            }));
        }
    }
}
