using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Sweeps;

/// <summary>The runs of a sweep over one task: starts × rates.</summary>
internal sealed record SweepRuns(OpenedBase Base, GlueTask Task, string Data, Device Device, string Precision, int Batch, int Epochs, string[] Starts, double[] Rates)
{
    public int Count => Starts.Length * Rates.Length;

    /// <summary>Trains some of the runs.</summary>
    /// <param name="share">This process's share of them.</param>
    /// <param name="shares">Of so many.</param>
    /// <param name="parallel">Runs at a time.</param>
    /// <returns>Seconds from when base and rows were there, and each run's metric.</returns>
    public (double Seconds, double[] Metrics) Train(int share, int shares, int parallel = 1)
    {
        var ml = new MLContext(seed: 0);
        var data = Task.Load(ml, Data, new());
        using var session = new LoraTrainingSession(ml, Base.Checkpoint);
        var rows = session.Prepare(data.Train, data.Validation, Options());
        LoraTrainerOptions[] runs = [.. Starts.SelectMany(s => Rates.Select(r => Options(s, r))).Where((_, i) => i % shares == share)];
        // Base and libraries are loaded, and kernels compiled, by a first step.
        session.Train(session.Prepare(Task.Load(ml, Data, new() { TrainRows = Batch }).Train, null, Options()), Options(epochs: 1));
        if (Device.type == TorchSharp.DeviceType.CUDA)
            cuda.synchronize(Device);
        var started = Stopwatch.GetTimestamp();
        var metrics = new double[runs.Length];
        Parallel.For(0, runs.Length, new ParallelOptions { MaxDegreeOfParallelism = parallel }, i => metrics[i] = Metric(session.Train(rows, runs[i])));
        return (Stopwatch.GetElapsedTime(started).TotalSeconds, metrics);
    }

    /// <summary>The same by several processes at a time; each is this program with its share.</summary>
    /// <returns>Seconds of the slowest, from when its base and rows were there.</returns>
    public static double Processes(int count, IEnumerable<string> arguments)
    {
        Process[] children = [.. Enumerable.Range(0, count).Select(i => Process.Start(new ProcessStartInfo(
            Environment.ProcessPath!, [.. Prefix(), .. arguments, "--share", string.Create(CultureInfo.InvariantCulture, $"{i}/{count}")]) { RedirectStandardOutput = true })!)];
        var seconds = children.Select(child =>
        {
            var text = child.StandardOutput.ReadToEnd();
            child.WaitForExit();
            return child.ExitCode == 0
                ? double.Parse(text.Split(SweepBenchmark.ShareLine)[1].Split('\n')[0], CultureInfo.InvariantCulture)
                : throw new InvalidOperationException($"A process ended with {child.ExitCode}: {text}");
        }).ToArray();
        return seconds.Max();

        // Where the program was started as a library of dotnet's.
        static IEnumerable<string> Prefix() => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];
    }

    private double Metric(TrainingHistory history) =>
        history.Epochs.Single(e => e.Epoch == history.BestEpoch).Metrics is { } metrics ? (Task.Metric == GlueMetric.Matthews ? metrics.Matthews : metrics.Accuracy) ?? double.NaN : double.NaN;

    private LoraTextClassificationTrainer.Options Options(string start = "kaiming", double rate = 1e-3, int? epochs = null) => new()
    {
        Text2ColumnName = Task.IsPair ? "Text2" : null,
        Initialization = LoraInitialization.Parse(start),
        InitialLearningRate = rate,
        BatchSize = Batch,
        MaxEpochs = epochs ?? Epochs,
        Precision = CommonOptions.Parse(Precision),
        Device = Device,
        Seed = 0,
    };
}
