using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.Tokenizers;

namespace Microsoft.ML.LoraInit.Benchmarks.Files;

/// <summary><c>tokenization</c>: a task's training rows, as <c>Fit</c> reads them and by the tokenizer library alone.</summary>
internal static partial class TokenizationBenchmark
{
    private const string Name = "tokenization";

    public static CliCommand Create()
    {
        var command = new CliCommand(Name, "Texts a second: as Fit reads a view (all cores), by our tokenizer on one thread, and by Microsoft.ML.Tokenizers' BPE with GPT-2's expression on one thread. Every pass has a new tokenizer.");
        var bases = new BaseOptions(command);
        var data = new Option<string>("--data") { Description = "Folder with the tasks' folders.", HelpName = "DIR", Required = true };
        var tasks = new Option<string[]>("--task") { Description = "GLUE tasks.", DefaultValueFactory = _ => ["mrpc"], AllowMultipleArgumentsPerToken = true };
        var repeats = new Option<int>("--repeats") { Description = "Passes; their median counts.", DefaultValueFactory = _ => 3 };
        foreach (var option in (Option[])[data, tasks, repeats])
            command.Options.Add(option);
        CommonOptions.Attach(command, (result, _, report) =>
        {
            using var opened = bases.Open(result);
            using var files = opened.Checkpoint.Open(null, CancellationToken.None);
            foreach (var name in result.GetRequiredValue(tasks))
                Measure(GlueTask.Parse(name), result.GetRequiredValue(data), files, result.GetValue(repeats), report);
        });
        return command;
    }

    private static void Measure(GlueTask task, string folder, CheckpointFiles files, int repeats, BenchmarkReport report)
    {
        var view = task.Load(new MLContext(), folder, new() { ValidationRows = 1 }).Train;
        var texts = view.GetColumn<string>("Text").ToArray();
        var pairs = task.IsPair ? view.GetColumn<string>("Text2").ToArray() : null;
        var columns = new TextColumns("Text", task.IsPair ? "Text2" : null);
        var configuration = new SortedDictionary<string, object>(StringComparer.Ordinal) { ["task"] = task.Name, ["vocabulary"] = files.Config.VocabularySize };

        Add(BenchmarkReport.Ours, Ours, tokenizer =>
            TextDatasetReader.Read(view, columns, LabelKind.Key, tokenizer, files.Config.MaxLength).Texts.Sum(t => t.Length));
        Add("ours_one_thread", Ours, tokenizer =>
            texts.Select((t, i) => tokenizer.Encode(t, pairs?[i], files.Config.MaxLength).Length).Sum());
        Add("bpe_tokenizer", Library, tokenizer =>
            texts.Select((t, i) => tokenizer.EncodeToIds(t).Count + (pairs is null ? 2 : 4 + tokenizer.EncodeToIds(pairs[i]).Count)).Sum());

        SubwordTokenizer Ours() => files.OpenTokenizer();

        BpeTokenizer Library()
        {
            using var vocabulary = files.OpenVocabulary("vocab.json");
            using var merges = files.OpenVocabulary("merges.txt");
            using var reader = new StreamReader(merges);
            var lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => !l.StartsWith("#version", StringComparison.Ordinal));
            return BpeTokenizer.Create(new BpeOptions(JsonSerializer.Deserialize<Dictionary<string, int>>(vocabulary)!)
            {
                Merges = lines,
                ByteLevel = true,
                PreTokenizer = new RegexPreTokenizer(Gpt2(), null),
            });
        }

        void Add<T>(string variant, Func<T> create, Func<T, int> encode)
        {
            var tokens = encode(create());
            var times = Enumerable.Range(0, repeats).Select(_ =>
            {
                var started = Stopwatch.GetTimestamp();
                var tokenizer = create();
                var (created, cpu) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
                encode(tokenizer);
                return (
                    Create: Stopwatch.GetElapsedTime(started, created).TotalMilliseconds,
                    Encode: Stopwatch.GetElapsedTime(created).TotalMilliseconds,
                    Cpu: (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds);
            }).ToArray();
            var encoding = Statistics.Median(times.Select(t => t.Encode));
            report.Add(new(Name, variant, configuration, new(StringComparer.Ordinal)
            {
                [BenchmarkRow.Speed] = 1000 * texts.Length / encoding,
                [BenchmarkRow.Cpu] = Statistics.Median(times.Select(t => t.Cpu)) / texts.Length,
                ["rows"] = texts.Length,
                ["tokens"] = tokens,
                ["encode_ms"] = encoding,
                ["create_ms"] = Statistics.Median(times.Select(t => t.Create)),
            }));
        }
    }

    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    private static partial Regex Gpt2();
}
