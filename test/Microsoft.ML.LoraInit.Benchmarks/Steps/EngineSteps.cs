using System.Diagnostics;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training;

namespace Microsoft.ML.LoraInit.Benchmarks.Steps;

/// <summary>Training steps of the library's engine, as <c>Fit</c> runs them.</summary>
internal static class EngineSteps
{
    private const int FusedModels = 3;

    public static BenchmarkRow Measure(string benchmark, StepSetup setup, string variant = BenchmarkReport.Ours)
    {
        using var memory = new PeakMemory(setup.Device);
        using var weights = ModelShape.RandomWeights(setup.Shape, setup.Dropout, setup.Type, setup.Device);
        var timer = new StepTimer(setup);
        double? peak = null;
        using var result = FineTuningRun.Execute(new FineTuningRequest
        {
            Settings = Settings(setup, weights),
            Task = new MulticlassTask(StepSetup.Classes),
            Train = setup.Data(weights.Config.VocabularySize),
            Base = weights,
            OtherDevices = setup.OtherDevices,
            Seed = 0,
            Log = setup.OtherDevices.Count > 0 ? Console.Error.WriteLine : null,
            OnStep = step =>
            {
                timer.StepDone(step);
                if (step == setup.Warmup + (setup.Steps * setup.Blocks))
                    peak = memory.Megabytes;
            },
        });
        return Row(benchmark, variant, setup, timer, peak, result.History.Epochs[0].TrainLoss);
    }

    /// <summary>The mean loss and the trained values by name of one run over so many rows.</summary>
    public static (double Loss, Dictionary<string, float[]> Values) Trained(StepSetup setup, int rows)
    {
        using var weights = ModelShape.RandomWeights(setup.Shape, setup.Dropout, setup.Type, setup.Device);
        using var result = FineTuningRun.Execute(new FineTuningRequest
        {
            Settings = Settings(setup, weights),
            Task = new MulticlassTask(StepSetup.Classes),
            Train = setup.Data(weights.Config.VocabularySize, rows),
            Base = weights,
            OtherDevices = setup.OtherDevices,
            Seed = 0,
        });
        return (result.History.Epochs[0].TrainLoss, result.State.Tensors.ToDictionary(t => t.Key, t => t.Value.data<float>().ToArray()));
    }

    /// <summary>One whole run over so many rows, its start and end included.</summary>
    /// <returns>Seconds, and the peak of memory.</returns>
    public static (double Seconds, double? Peak) Run(StepSetup setup, int rows)
    {
        using var memory = new PeakMemory(setup.Device);
        using var weights = ModelShape.RandomWeights(setup.Shape, setup.Dropout, setup.Type, setup.Device);
        var data = setup.Data(weights.Config.VocabularySize, rows);
        var started = Stopwatch.GetTimestamp();
        using var result = FineTuningRun.Execute(new FineTuningRequest
        {
            Settings = Settings(setup, weights),
            Task = new MulticlassTask(StepSetup.Classes),
            Train = data,
            Base = weights,
            Seed = 0,
        });
        return (Stopwatch.GetElapsedTime(started).TotalSeconds, memory.Megabytes);
    }

    public static BenchmarkRow Row(string benchmark, string variant, StepSetup setup, StepTimer timer, double? peak, double loss)
    {
        var metrics = new SortedDictionary<string, double>(StringComparer.Ordinal)
        {
            ["step_ms"] = timer.StepMilliseconds,
            ["step_ms_min"] = timer.FastestMilliseconds,
            ["step_ms_max"] = timer.SlowestMilliseconds,
            [BenchmarkRow.Speed] = 1000 * setup.Batch / timer.StepMilliseconds,
            [BenchmarkRow.Cpu] = timer.CpuMilliseconds / setup.Batch,
            ["steps"] = setup.Steps,
            ["blocks"] = setup.Blocks,
            ["mean_loss"] = loss,
        };
        if (peak is { } megabytes)
            metrics[BenchmarkRow.Peak] = megabytes;
        return new(benchmark, variant, setup.Configuration(), metrics);
    }

    private static FineTuningSettings Settings(StepSetup setup, BaseWeights weights) => new()
    {
        Method = FineTuningMethod.Parse(setup.Method) is AdapterFusionMethod fusion ? fusion with { Sources = Sources(setup, weights) } : FineTuningMethod.Parse(setup.Method),
        Initialization = LoraInitialization.Parse(setup.Initialization),
        Adapters = new()
        {
            Rank = setup.Rank,
            Alpha = setup.Alpha,
            LayersToTransform = setup.AdaptedLayers is { } layers ? [.. Enumerable.Range(weights.Config.Layers - layers, layers)] : null,
        },
        Optimizer = new() { MaxGradientNorm = 1 },
        Schedule = new()
        {
            BatchSize = setup.Batch,
            MaxEpochs = 1,
            InitialLearningRate = setup.LearningRate,
            LearningRateSchedule = LearningRateSchedule.Constant,
            WarmupRatio = 0,
        },
    };

    /// <summary>What a fusion chooses from: bottlenecks that were trained for a step each.</summary>
    private static FusionSource[] Sources(StepSetup setup, BaseWeights weights) => [.. Enumerable.Range(0, FusedModels).Select(i =>
    {
        using var result = FineTuningRun.Execute(new FineTuningRequest
        {
            Settings = Settings(setup with { Method = "pfeiffer" }, weights),
            Task = new MulticlassTask(StepSetup.Classes),
            Train = setup.Data(weights.Config.VocabularySize, setup.Batch),
            Base = weights,
            Seed = i,
        });
        return FusionSource.Of($"source {i}", result.State);
    })];
}
