using System.CommandLine;
using System.Diagnostics;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Pipelines;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Files;

/// <summary><c>loading</c> and <c>saving</c>: base weights and trained models, against TorchSharp's own files of the same tensors.</summary>
internal static class FilesBenchmark
{
    private const string Loading = "loading";
    private const string Saving = "saving";

    public static CliCommand CreateLoading() => Create(Loading, "The base in fp32 on the device: from safetensors, the hash checked, against TorchSharp's own format; and models with ml.Model.Load.", Load);

    public static CliCommand CreateSaving() => Create(Saving, "ml.Model.Save of adapters only and of a self-contained model, against the base's tensors in TorchSharp's own format.", Save);

    private static CliCommand Create(string name, string description, Action<Work> measure)
    {
        var command = new CliCommand(name, description);
        var bases = new BaseOptions(command);
        var repeats = new Option<int>("--repeats") { Description = "Passes; their median counts.", DefaultValueFactory = _ => 5 };
        command.Options.Add(repeats);
        CommonOptions.Attach(command, (result, device, report) =>
        {
            using var opened = bases.Open(result);
            var folder = Directory.CreateTempSubdirectory("lorainit-benchmark-");
            try
            {
                measure(new Work(opened, device, folder.FullName, result.GetValue(repeats), report));
            }
            finally
            {
                folder.Delete(recursive: true);
            }
        });
        return command;
    }

    private static void Load(Work work)
    {
        var tensors = SaveTensors(work);
        work.Add(Loading, "base", BenchmarkReport.Ours, work.Parameters, () =>
        {
            using var files = work.Base.Checkpoint.Open(null, CancellationToken.None);
            using var weights = files.LoadWeights(work.Device, ScalarType.Float32);
        });
        work.Add(Loading, "base", "torchsharp", work.Parameters, () =>
        {
            using var scope = NewDisposeScope();
            foreach (var path in tensors)
                _ = Tensor.load(path).to(ScalarType.Float32).to(work.Device);
        });

        var ml = new MLContext(seed: 0);
        using var model = Train(ml, work);
        foreach (var mode in Enum.GetValues<ModelSaveMode>())
        {
            var path = Path.Combine(work.Folder, $"{mode}.mlnet");
            model.SaveMode = mode;
            ml.Model.Save(model, null, path);
            work.Add(Loading, $"model, {mode}", BenchmarkReport.Ours, new FileInfo(path).Length, () => ((IDisposable)ml.Model.Load(path, out _)).Dispose());
        }
    }

    private static void Save(Work work)
    {
        var ml = new MLContext(seed: 0);
        using var model = Train(ml, work);
        foreach (var mode in Enum.GetValues<ModelSaveMode>())
        {
            var path = Path.Combine(work.Folder, $"{mode}.mlnet");
            model.SaveMode = mode;
            ml.Model.Save(model, null, path);
            work.Add(Saving, $"model, {mode}", BenchmarkReport.Ours, new FileInfo(path).Length, () => ml.Model.Save(model, null, path));
        }
        var bytes = SaveTensors(work).Sum(p => new FileInfo(p).Length);
        using var files = work.Base.Checkpoint.Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        work.Add(Saving, $"model, {ModelSaveMode.SelfContained}", "torchsharp", bytes, () => SaveTensors(weights.Tensors, work.Folder));
    }

    private static LoraBinaryTextClassificationTransformer Train(MLContext ml, Work work) => TrainedPipeline.Train(
        ml, work.Base, [new() { Text = "one" }, new() { Text = "two" }], null, Precision.Float32, work.Device);

    private static List<string> SaveTensors(Work work)
    {
        using var files = work.Base.Checkpoint.Open(null, CancellationToken.None);
        using var weights = files.LoadWeights(CPU, ScalarType.Float32);
        work.Parameters = weights.Tensors.Values.Sum(t => t.numel()) * sizeof(float);
        return SaveTensors(weights.Tensors, work.Folder);
    }

    private static List<string> SaveTensors(IReadOnlyDictionary<string, Tensor> tensors, string folder)
    {
        var paths = new List<string>();
        foreach (var (name, tensor) in tensors)
        {
            paths.Add(Path.Combine(folder, $"{name}.pt"));
            tensor.save(paths[^1]);
        }
        return paths;
    }

    private sealed record Work(OpenedBase Base, Device Device, string Folder, int Repeats, BenchmarkReport Report)
    {
        /// <summary>Bytes of the base in fp32.</summary>
        public long Parameters { get; set; }

        public void Add(string benchmark, string what, string variant, long bytes, Action action)
        {
            action(); // the first pass compiles, and warms the file cache for all alike
            var milliseconds = Statistics.Median(Enumerable.Range(0, Repeats).Select(_ =>
            {
                var started = Stopwatch.GetTimestamp();
                action();
                return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            }));
            var configuration = new SortedDictionary<string, object>(StringComparer.Ordinal) { ["what"] = what, ["shape"] = Base.Name, ["device"] = Device.type == DeviceType.CUDA ? "cuda" : "cpu" };
            Report.Add(new(benchmark, variant, configuration, new(StringComparer.Ordinal)
            {
                [BenchmarkRow.Speed] = 1000 / milliseconds,
                ["ms"] = milliseconds,
                ["megabytes"] = bytes / 1e6,
            }));
        }
    }
}
