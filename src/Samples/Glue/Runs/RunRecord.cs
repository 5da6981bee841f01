namespace Microsoft.ML.LoraInit.Samples.Glue.Runs;

/// <summary>One run, as its file holds it.</summary>
internal sealed record RunRecord
{
    public const int CurrentFormat = 1;

    public int Format { get; init; } = CurrentFormat;

    public required RunConfig Config { get; init; }

    public required RunEnvironment Environment { get; init; }

    public required RunStatus Status { get; init; }

    /// <summary><c>completed</c>, or the error in one line.</summary>
    public required string ExitReason { get; init; }

    /// <summary>What was trained and scored on; null where the run failed before its data was read.</summary>
    public RunData? Data { get; init; }

    /// <summary>The task's metric, such as <c>matthews</c>.</summary>
    public string? MetricName { get; init; }

    /// <summary>The metric of the best epoch on the dev set.</summary>
    public double? Metric { get; init; }

    public int? BestEpoch { get; init; }

    public IReadOnlyList<RunEpoch> Epochs { get; init; } = [];

    public RunTimings Timings { get; init; } = new();

    public RunMemory Memory { get; init; } = new();

    public long? TrainableParameters { get; init; }

    public long? TotalParameters { get; init; }

    public double? TrainSamplesPerSecond { get; init; }

    /// <summary>mean((s·B·A − W)²) of the start, averaged over the adapted layers; null without low-rank adapters, and in older records.</summary>
    public double? FactorizationError { get; init; }

    /// <summary>The command that a reader types to get this run among its whole grid; no shard in it.</summary>
    public string? Command { get; init; }

    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>How often the run was started before it ended, this time included.</summary>
    public int Attempts { get; init; } = 1;
}

internal enum RunStatus
{
    Finished,
    Failed,
}

/// <summary>Files and rows: a subset of a training set is told from the whole by them.</summary>
internal sealed record RunData(string TrainFile, int TrainRows, string DevFile, int DevRows);

/// <summary>What an epoch ended with.</summary>
internal sealed record RunEpoch
{
    public required int Epoch { get; init; }

    public double? TrainLoss { get; init; }

    public IReadOnlyDictionary<string, double> Metrics { get; init; } = new Dictionary<string, double>();
}

/// <summary>Seconds of wall-clock time.</summary>
internal sealed record RunTimings
{
    /// <summary>The initialisation with all that it needs, such as gradients. Base model and rows are read once a process and counted nowhere.</summary>
    public double Preparation { get; init; }

    /// <summary>The training steps.</summary>
    public double Training { get; init; }

    /// <summary>All else, which is scoring the dev set after each epoch; null where the run was killed and resumed.</summary>
    public double? Evaluation { get; init; }

    /// <summary>From start to end; null where the run was killed and resumed.</summary>
    public double? Total { get; init; }
}

/// <summary>Peaks in bytes. Runs in parallel share a process, and with it these figures.</summary>
internal sealed record RunMemory
{
    /// <summary>The process's resident memory, sampled during the run.</summary>
    public long? Process { get; init; }

    /// <summary>GPU memory that the driver counts for the process at the run's end; null on a CPU.</summary>
    public long? Device { get; init; }

    public int RunsInParallel { get; init; } = 1;
}
