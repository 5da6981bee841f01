using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Running;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Tests.Glue;

/// <summary>Made-up grids and runs for the tests of what surrounds training.</summary>
internal static class TestRuns
{
    public static GridSpec Spec(params string[] tasks) => new()
    {
        Tasks = tasks.Length == 0 ? ["cola", "rte"] : tasks,
        BaseModel = "mini",
        Initializations = [LoraInitialization.Kaiming()],
        LearningRates = [1e-3, 3e-4],
        Seeds = [0, 1],
        Epochs = new PerTask<int>(3),
    };

    public static RunConfig Config(string task = "cola", string initialization = "kaiming", double rate = 1e-3, int seed = 0, string method = Methods.Lora) => new()
    {
        Task = task,
        BaseModel = "mini",
        Method = method,
        Initialization = initialization,
        Rank = initialization == Methods.NoInitialization ? 0 : 8,
        Alpha = initialization == Methods.NoInitialization ? 0 : 16,
        LearningRate = rate,
        Seed = seed,
        Epochs = 3,
    };

    public static RunRecord Finished(RunConfig config, params double[] metrics) => new()
    {
        Config = config,
        Environment = RunEnvironment.Current("cpu"),
        Status = RunStatus.Finished,
        ExitReason = "completed",
        MetricName = "accuracy",
        Metric = metrics.Max(),
        BestEpoch = Array.IndexOf(metrics, metrics.Max()) + 1,
        Epochs =
        [
            .. metrics.Select((m, i) => new RunEpoch
            {
                Epoch = i + 1, TrainLoss = 0.7 / (i + 1), Metrics = new Dictionary<string, double> { ["accuracy"] = m },
            }),
        ],
        Timings = new() { Preparation = 1, Training = 10, Evaluation = 2, Total = 13 },
        Memory = new() { Process = 500 << 20 },
        TrainableParameters = 100_000,
        TotalParameters = 5_500_000,
        TrainSamplesPerSecond = 900,
        Command = "glue --base-model mini",
    };

    public static RunRecord Failed(RunConfig config) =>
        Finished(config, 0.5) with { Status = RunStatus.Failed, ExitReason = "Boom", Metric = null, BestEpoch = null, Epochs = [] };

    public static string NewFolder() => Directory.CreateTempSubdirectory("lorainit-glue-").FullName;
}

/// <summary>Notes what it is told.</summary>
internal sealed class RecordingObserver : IGridObserver
{
    public List<RunConfig> StartedRuns { get; } = [];

    public List<RunRecord> EndedRuns { get; } = [];

    public List<RunConfig> LeftRuns { get; } = [];

    public void Planned(int cells, int toRun)
    {
    }

    public void Started(RunConfig config, int slot) => StartedRuns.Add(config);

    public void Ended(RunRecord record) => EndedRuns.Add(record);

    public void LeftToOthers(RunConfig config) => LeftRuns.Add(config);
}

/// <summary>Answers a run by a function of its configuration.</summary>
internal sealed class FunctionExecutor(Func<RunConfig, string, RunRecord> run) : IRunExecutor
{
    public RunEnvironment Environment(int slot) => RunEnvironment.Current("cpu");

    public RunRecord Execute(RunConfig config, string workDirectory, int slot, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return run(config, workDirectory);
    }
}
