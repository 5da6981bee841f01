using System.Diagnostics;
using Microsoft.ML.LoraInit.Samples.Commands;
using Microsoft.ML.LoraInit.Samples.Commands.Options;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Samples.Glue.Running;

/// <summary>Trains a cell with the library, on the slot's device, over what the session shares between runs.</summary>
internal sealed class GlueExecutor(GlueSession session, IReadOnlyList<Device> devices) : IRunExecutor
{
    /// <summary>Runs at a time, as records say it.</summary>
    public int MaxParallel { get; init; } = 1;

    /// <summary>A folder for TensorBoard's event files, one folder a run in it; null for none.</summary>
    public string? TensorBoardDirectory { get; init; }

    /// <summary>Optimiser steps between checkpoints; null for one an epoch.</summary>
    public int? CheckpointEverySteps { get; init; }

    /// <summary>Adapters that runs start from.</summary>
    public InitialAdapterFolders? Starts { get; init; }

    public RunEnvironment Environment(int slot) => RunEnvironment.Current(Of(slot).ToString());

    public RunRecord Execute(RunConfig config, string workDirectory, int slot, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var task = GlueTask.Parse(config.Task);
        var load = Load(config);
        var data = session.Load(task, config.MaxLength, load, cancellation);
        var checkpoints = Path.Combine(workDirectory, "checkpoint");
        var resumed = Directory.Exists(checkpoints);
        using var board = TensorBoardDirectory is null ? null : new TensorBoardProgress(Path.Combine(TensorBoardDirectory, config.Name()));
        using var memory = new MemorySampler();
        var start = Start(config, slot, cancellation);
        var started = Stopwatch.GetTimestamp();
        var history = session.Train(task, Options(task, config, start, slot, checkpoints, board, cancellation), load);
        var total = Stopwatch.GetElapsedTime(started).TotalSeconds;
        // A cancelled run hands back its best epoch so far, which is not this cell's result.
        if (history.Cancelled)
            throw new OperationCanceledException(cancellation);
        return Record(config, task, history, data, resumed ? null : total) with
        {
            Environment = Environment(slot),
            Memory = new() { Process = memory.Peak, Device = GpuMemory.OfThisProcess(Of(slot)), RunsInParallel = MaxParallel },
        };
    }

    /// <summary>Trains the adapter of another task that a run starts from, where it is not there yet.</summary>
    public void Prepare(RunConfig config, int slot, CancellationToken cancellation) => Start(config, slot, cancellation);

    /// <summary>Reads a run's rows, and those of the run that makes its start, and refuses what the trainer would refuse: before any run, rather than in each.</summary>
    /// <exception cref="GlueDataException">A file cannot be used.</exception>
    /// <exception cref="UsageException">A setting is out of range, or does not fit the base model or the rows.</exception>
    public void Check(RunConfig config, CancellationToken cancellation)
    {
        var maker = Starts?.Maker(config);
        if (maker is not null)
            Check(maker, cancellation);
        var (task, load) = (GlueTask.Parse(config.Task), Load(config));
        try
        {
            // The checkpoints' folder is only named. Of a start that is yet to be made, form and rank are the run's own.
            session.Check(task, Options(task, config, maker is null ? config.Start : null, 0, "checkpoint", null, cancellation), load);
        }
        catch (Exception e) when (e is ArgumentException or UsageException or InvalidDataException or NotSupportedException)
        {
            throw new UsageException($"{GridConsole.Describe(config)}: {OptionNames.Translate(ErrorText.Plain(e.Message))}", e);
        }
    }

    /// <summary>The rows that a configuration asks for.</summary>
    public static GlueLoadOptions Load(RunConfig config) =>
        new() { TrainRows = config.TrainRows, ValidationRows = config.DevRows, SkipMalformed = config.Task == GlueTask.Qqp.Name };

    private static RunRecord Record(RunConfig config, GlueTask task, TrainingHistory history, GlueData data, double? total)
    {
        var epochs = history.Epochs.Select(e => new RunEpoch { Epoch = e.Epoch, TrainLoss = e.TrainLoss, Metrics = MetricNames.Of(e.Metrics!) }).ToArray();
        var name = MetricNames.Of(task.Metric);
        var best = epochs.Single(e => e.Epoch == history.BestEpoch); // by the same metric: the session trains with the task's own
        var training = history.Epochs.Sum(e => e.Seconds);
        return new()
        {
            Config = config,
            Environment = new(),
            Status = RunStatus.Finished,
            ExitReason = "completed",
            Data = new(data.TrainFile, data.TrainRows, data.ValidationFile, data.ValidationRows),
            MetricName = name,
            Metric = best.Metrics[name],
            BestEpoch = best.Epoch,
            Epochs = epochs,
            Timings = new()
            {
                Preparation = history.InitializationSeconds,
                Training = training,
                Evaluation = total is null ? null : Math.Max(0, total.Value - training - history.InitializationSeconds),
                Total = total,
            },
            TrainableParameters = history.TrainableParameters,
            TotalParameters = history.TotalParameters,
            TrainSamplesPerSecond = history.TrainSamplesPerSecond,
            FactorizationError = history.FactorizationError,
        };
    }

    private string? Start(RunConfig config, int slot, CancellationToken cancellation) =>
        config.Start is null ? null : Starts!.Folder(config, maker => Make(maker, slot, cancellation), cancellation);

    private void Make((RunConfig Config, string Folder, string Checkpoints) maker, int slot, CancellationToken cancellation)
    {
        var task = GlueTask.Parse(maker.Config.Task);
        var history = session.Train(task, Options(task, maker.Config, null, slot, maker.Checkpoints, null, cancellation), Load(maker.Config), maker.Folder);
        if (history.Cancelled)
            throw new OperationCanceledException(cancellation);
    }

    private LoraTrainerOptions Options(GlueTask task, RunConfig config, string? start, int slot, string checkpoints, TensorBoardProgress? board, CancellationToken cancellation)
    {
        var options = GlueSession.Options(task);
        options.Method = Methods.Of(config.Method);
        options.UseDora = config.Method == Methods.Dora;
        options.RankStabilized = config.Method == Methods.RankStabilized;
        options.InitialLearningRate = config.LearningRate;
        options.MaxEpochs = config.Epochs;
        options.BatchSize = config.BatchSize;
        options.WarmupRatio = config.WarmupRatio;
        options.WeightDecay = config.WeightDecay;
        options.DecayBiasesAndNorms = config.DecayBiases;
        options.MaxGradientNorm = config.MaxGradientNorm ?? RunConfig.UsualGradientNorm;
        options.MaxLength = config.MaxLength;
        options.Precision = Enum.Parse<Precision>(config.Precision, ignoreCase: true);
        options.Device = Of(slot);
        options.Seed = config.Seed;
        options.CheckpointDirectory = checkpoints;
        options.CheckpointEverySteps = CheckpointEverySteps;
        options.Progress = board;
        options.CancellationToken = cancellation;
        if (start is not null)
        {
            // Form, rank and alpha are the adapter's; the trainer refuses others.
            options.InitialAdapter = start;
            (options.UseDora, options.RankStabilized) = (false, false);
        }
        else if (Methods.HasAdapters(config.Method))
        {
            if (config.RankPattern is { } pattern)
                options.RankPattern = RankPatternText.Parse("--rank-pattern", pattern, () => session.Shape.Layers);
            options.Initialization = LoraInitialization.Parse(config.Initialization);
            options.Rank = config.Rank;
            options.Alpha = config.Alpha;
        }
        return options;
    }

    private Device Of(int slot) => devices[slot % devices.Count];
}
