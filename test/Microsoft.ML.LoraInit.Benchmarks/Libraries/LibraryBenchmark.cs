using System.CommandLine;
using System.Diagnostics;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Pipelines;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using Microsoft.ML.LoraInit.Libraries;

namespace Microsoft.ML.LoraInit.Benchmarks.Libraries;

/// <summary><c>library</c>: many adapters beside one base against one merged model.</summary>
internal static class LibraryBenchmark
{
    public static CliCommand Create()
    {
        var command = new CliCommand("library", "Many adapters of many ranks and numbers of labels beside one base, rows in random order, also while adapters are added and removed; against one merged model. Counts wrong answers.");
        var bases = new BaseOptions(command);
        var adapters = new Option<int>("--adapters") { DefaultValueFactory = _ => 1000 };
        var rows = new Option<int>("--rows") { DefaultValueFactory = _ => 2048 };
        var words = new Option<int>("--words") { Description = "Words a row at most.", DefaultValueFactory = _ => 24 };
        var checks = new Option<int>("--checks") { Description = "Adapters whose answers are compared with those of their merged models.", DefaultValueFactory = _ => 10 };
        var repeats = new Option<int>("--repeats") { Description = "Passes over the rows; their median counts.", DefaultValueFactory = _ => 3 };
        var store = new Option<string?>("--store") { Description = "How adapters lie beside the base: each by itself, or those of one form together. Default: apart on a CPU, shelves on a GPU." }.AcceptOnlyFromAmong("apart", "shelves");
        var precision = CommonOptions.Precision();
        foreach (var option in (Option[])[adapters, rows, words, checks, repeats, store, precision])
            command.Options.Add(option);
        CommonOptions.Attach(command, (result, device, report) =>
        {
            using var opened = bases.Open(result);
            var computed = CommonOptions.Parse(result.GetRequiredValue(precision));
            using var library = AdapterLibrary.Create(opened.Checkpoint, new()
            {
                Device = device,
                Precision = computed,
                OnShelves = result.GetValue(store) is { } chosen ? chosen == "shelves" : null,
            });
            using var madeUp = new MadeUpAdapters(computed);
            var count = result.GetValue(adapters);
            var (started, cpu) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
            double[] adding = [.. Enumerable.Range(0, count).Select(i => madeUp.Add(library, $"adapter-{i}", i))];
            var filled = Stopwatch.GetElapsedTime(started).TotalSeconds;
            var fillingCpu = (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds / count;

            var requests = Requests(count, result.GetValue(rows), result.GetValue(words));
            var answers = library.Predict(requests);
            int repeated = result.GetValue(repeats);
            var (right, others, loaded) = (AnswerComparison.For(computed), AnswerComparison.For(computed), AnswerComparison.For(computed));
            var merged = MergedModels(library, requests, answers, result.GetValue(checks), repeated, right, others);
            var alone = Time(repeated, () => library.Predict(requests));
            var changing = new ChangingLibrary(library, madeUp, loaded);
            var underLoad = changing.Run(work => Time(repeated, () => work()).Seconds, () => library.Predict(requests), answers);
            report.Add(new("library", BenchmarkReport.Ours, new(StringComparer.Ordinal)
            {
                ["base"] = opened.Name,
                ["adapters"] = count,
                ["rows"] = requests.Length,
                ["precision"] = result.GetRequiredValue(precision),
                ["store"] = library.Base.Predictor.Store is SeparateStore ? "apart" : "shelves",
                ["device"] = device.type == TorchSharp.DeviceType.CUDA ? "cuda" : "cpu",
            }, new(StringComparer.Ordinal)
            {
                [BenchmarkRow.Speed] = requests.Length / alone.Seconds,
                [BenchmarkRow.Cpu] = alone.CpuMilliseconds / requests.Length,
                ["under_load_samples_per_second"] = requests.Length / underLoad,
                ["changes_under_load"] = changing.Changes,
                ["merged_samples_per_second"] = requests.Length / merged.Seconds,
                ["merged_cpu_ms_per_sample"] = merged.CpuMilliseconds / requests.Length,
                ["share_of_merged"] = merged.Seconds / alone.Seconds,
                ["add_ms"] = adding.Average(),
                ["add_last_ms"] = Statistics.Median([.. adding.TakeLast(Math.Max(1, count / 10))]),
                ["fill_seconds"] = filled,
                ["fill_cpu_ms_per_adapter"] = fillingCpu,
                ["tensors_a_batch_1_adapter"] = TensorsMade(library, Math.Min(64, count), 1),
                ["tensors_a_batch_64_adapters"] = TensorsMade(library, Math.Min(64, count), 64),
                ["compared_with_merged"] = right.Compared,
                ["wrong_against_merged"] = right.Wrong,
                ["largest_difference_from_merged"] = right.Largest,
                ["compared_under_load"] = loaded.Compared,
                ["wrong_under_load"] = loaded.Wrong,
                ["largest_difference_under_load"] = loaded.Largest,
                ["other_adapters_compared"] = others.Compared,
                ["other_adapters_counted_wrong"] = others.Wrong,
                ["other_adapters_smallest_difference"] = others.Smallest,
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
    /// <param name="right">What the library's answers are added to.</param>
    /// <param name="others">What its answers by another adapter of as many labels are added to: they are to be counted wrong.</param>
    /// <returns>What one of the models takes for the texts of all rows.</returns>
    private static (double Seconds, double CpuMilliseconds) MergedModels(
        AdapterLibrary library, AdapterRequest[] requests, IReadOnlyList<AdapterPrediction> answers, int count, int repeats, AnswerComparison right, AnswerComparison others)
    {
        var time = (Seconds: double.NaN, CpuMilliseconds: double.NaN);
        foreach (var name in requests.Select(r => r.Adapter).Distinct().Take(count))
        {
            using var model = library.CreateModel(name);
            var own = Enumerable.Range(0, requests.Length).Where(i => requests[i].Adapter == name).ToArray();
            var scores = Scores(model, own.Select(i => requests[i].Text));
            var other = library.Names.FirstOrDefault(n => n != name && library[n].Labels.Count == library[name].Labels.Count);
            foreach (var (row, expected) in own.Zip(scores))
            {
                right.Add(answers[row].Score, expected);
                if (other is not null)
                    others.Add(library.Predict(other, requests[row].Text).Score, expected);
            }
            if (double.IsNaN(time.Seconds))
                time = Time(repeats, () => Scores(model, requests.Select(r => r.Text)));
        }
        return time;
    }

    /// <summary>Scores of texts by a model.</summary>
    public static float[][] Scores(LoraTextTransformer model, IEnumerable<string> texts) =>
        [.. model.Transform(new MLContext(seed: 0).Data.LoadFromEnumerable(texts.Select(t => new TextPairRow { Text = t }))).GetColumn<float[]>("Score")];

    /// <summary>Tensors that a batch of rows makes, views included: nearly one a call of libtorch, so what a GPU's host side grows with.</summary>
    private static long TensorsMade(AdapterLibrary library, int rows, int adapters)
    {
        var statistics = TorchSharp.DisposeScopeManager.Statistics;
        long before = statistics.CreatedInScopeCount + statistics.CreatedOutsideScopeCount;
        library.Predict(Enumerable.Range(0, rows).Select(i => new AdapterRequest($"adapter-{i % adapters}", "the river market")));
        return statistics.CreatedInScopeCount + statistics.CreatedOutsideScopeCount - before;
    }

    /// <summary>The median pass's seconds, and a pass's milliseconds of all threads.</summary>
    private static (double Seconds, double CpuMilliseconds) Time(int repeats, Action work)
    {
        var cpu = Environment.CpuUsage.TotalTime;
        var seconds = Statistics.Median(Enumerable.Range(0, repeats).Select(_ =>
        {
            var started = Stopwatch.GetTimestamp();
            work();
            return Stopwatch.GetElapsedTime(started).TotalSeconds;
        }).ToArray());
        return (seconds, (Environment.CpuUsage.TotalTime - cpu).TotalMilliseconds / repeats);
    }
}
