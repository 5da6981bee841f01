using System.CommandLine;
using System.Diagnostics;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Pipelines;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;

namespace Microsoft.ML.LoraInit.Benchmarks.Libraries;

/// <summary><c>library</c>: many adapters beside one base against one merged model.</summary>
internal static class LibraryBenchmark
{
    private const float Tolerance = 1e-3f;

    public static CliCommand Create()
    {
        var command = new CliCommand("library", "Many adapters of many ranks and numbers of labels beside one base, rows in random order, also while adapters are added and removed; against one merged model. Counts wrong answers.");
        var bases = new BaseOptions(command);
        var adapters = new Option<int>("--adapters") { DefaultValueFactory = _ => 1000 };
        var rows = new Option<int>("--rows") { DefaultValueFactory = _ => 2048 };
        var words = new Option<int>("--words") { Description = "Words a row at most.", DefaultValueFactory = _ => 24 };
        var checks = new Option<int>("--checks") { Description = "Adapters whose answers are compared with those of their merged models.", DefaultValueFactory = _ => 10 };
        var repeats = new Option<int>("--repeats") { Description = "Passes over the rows; their median counts.", DefaultValueFactory = _ => 3 };
        var precision = CommonOptions.Precision();
        foreach (var option in (Option[])[adapters, rows, words, checks, repeats, precision])
            command.Options.Add(option);
        CommonOptions.Attach(command, (result, device, report) =>
        {
            using var opened = bases.Open(result);
            using var library = AdapterLibrary.Create(opened.Checkpoint, new() { Device = device, Precision = CommonOptions.Parse(result.GetRequiredValue(precision)) });
            var count = result.GetValue(adapters);
            var started = Stopwatch.GetTimestamp();
            for (int i = 0; i < count; i++)
                MadeUpAdapters.Add(library, $"adapter-{i}", i);
            var adding = Stopwatch.GetElapsedTime(started).TotalMilliseconds / count;

            var requests = Requests(count, result.GetValue(rows), result.GetValue(words));
            var answers = library.Predict(requests);
            int repeated = result.GetValue(repeats);
            var wrong = MergedModels(library, requests, answers, result.GetValue(checks), repeated, out var merged);
            var alone = Seconds(repeated, () => library.Predict(requests));
            var (loaded, changes, different) = UnderLoad(library, requests, answers, repeated);
            report.Add(new("library", BenchmarkReport.Ours, new(StringComparer.Ordinal)
            {
                ["base"] = opened.Name,
                ["adapters"] = count,
                ["rows"] = requests.Length,
                ["precision"] = result.GetRequiredValue(precision),
                ["device"] = device.type == TorchSharp.DeviceType.CUDA ? "cuda" : "cpu",
            }, new(StringComparer.Ordinal)
            {
                [BenchmarkRow.Speed] = requests.Length / alone,
                ["under_load_samples_per_second"] = requests.Length / loaded,
                ["changes_under_load"] = changes,
                ["merged_samples_per_second"] = requests.Length / merged,
                ["share_of_merged"] = merged / alone,
                ["add_ms"] = adding,
                ["wrong_against_merged"] = wrong,
                ["wrong_under_load"] = different,
            }));
        });
        return command;
    }

    /// <summary>Each row by an adapter of its own choice.</summary>
    private static AdapterRequest[] Requests(int adapters, int count, int words)
    {
        string[] known = ["the", "river", "market", "blue", "seven", "who", "likes", "rain", "engine", "never", "quietly", "paper", "of", "wrote", "a", "storm"];
        var random = new SeededRandom(11);
        return [.. Enumerable.Range(0, count).Select(_ => new AdapterRequest(
            $"adapter-{random.Next(adapters)}", string.Join(' ', Enumerable.Range(0, 1 + random.Next(words)).Select(_ => known[random.Next(known.Length)]))))];
    }

    /// <summary>Rows of some adapters by merged models of theirs.</summary>
    /// <param name="library">The library.</param>
    /// <param name="requests">All rows.</param>
    /// <param name="answers">The library's.</param>
    /// <param name="count">How many adapters.</param>
    /// <param name="repeats">Passes that are timed.</param>
    /// <param name="seconds">What one of the models takes for the texts of all rows.</param>
    /// <returns>Rows whose scores differ.</returns>
    private static int MergedModels(AdapterLibrary library, AdapterRequest[] requests, IReadOnlyList<AdapterPrediction> answers, int count, int repeats, out double seconds)
    {
        var ml = new MLContext(seed: 0);
        var wrong = 0;
        seconds = double.NaN;
        foreach (var name in requests.Select(r => r.Adapter).Distinct().Take(count))
        {
            using var model = library.CreateModel(name);
            var own = Enumerable.Range(0, requests.Length).Where(i => requests[i].Adapter == name).ToArray();
            var scores = Scores(own.Select(i => requests[i].Text));
            wrong += own.Zip(scores).Count(r => answers[r.First].Score.Zip(r.Second).Any(s => !(Math.Abs(s.First - s.Second) <= Tolerance)));
            if (double.IsNaN(seconds))
                seconds = Seconds(repeats, () => Scores(requests.Select(r => r.Text)));

            float[][] Scores(IEnumerable<string> texts) =>
                [.. model.Transform(ml.Data.LoadFromEnumerable(texts.Select(t => new TextPairRow { Text = t }))).GetColumn<float[]>("Score")];
        }
        return wrong;
    }

    /// <summary>The rows once more and again while another thread adds, replaces and removes other adapters without a pause.</summary>
    private static (double Seconds, int Changes, int Wrong) UnderLoad(AdapterLibrary library, AdapterRequest[] requests, IReadOnlyList<AdapterPrediction> expected, int repeats)
    {
        using var stop = new CancellationTokenSource();
        var (changes, wrong) = (0, 0);
        var other = Task.Run(() =>
        {
            for (int i = 0; !stop.IsCancellationRequested; i++, changes++)
            {
                MadeUpAdapters.Add(library, $"passing-{i % 7}", 1_000_000 + i, replace: true);
                if (i % 3 == 0)
                    library.Remove($"passing-{i % 7}");
            }
        });
        var seconds = Seconds(repeats, () =>
        {
            var actual = library.Predict(requests);
            wrong += actual.Zip(expected).Count(r => r.First.Adapter != r.Second.Adapter || r.First.Score.Zip(r.Second.Score).Any(s => !(Math.Abs(s.First - s.Second) <= Tolerance)));
        });
        stop.Cancel();
        other.GetAwaiter().GetResult();
        return (seconds, changes, wrong);
    }

    private static double Seconds(int repeats, Action work) => Statistics.Median(Enumerable.Range(0, repeats).Select(_ =>
    {
        var started = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }).ToArray());
}
