using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>What a report says, before it is written in one format or another.</summary>
internal sealed record ReportModel(
    IReadOnlyList<Section> Sections,
    IReadOnlyList<RunRecord> Failed,
    IReadOnlyList<string> Commands,
    IReadOnlyList<RunEnvironment> Environments,
    int Runs);

/// <summary>The runs on one base model.</summary>
internal sealed record Section(
    string BaseModel,
    IReadOnlyList<string> Tasks,
    IReadOnlyDictionary<string, string> Metrics,
    IReadOnlyDictionary<string, RunData> Data,
    IReadOnlyList<Row> Rows,
    IReadOnlyList<PublishedRow> Published,
    int? SweepSeeds);

/// <summary>One strategy.</summary>
internal sealed record Row
{
    public required string Label { get; init; }

    /// <summary>The row that the others are compared with.</summary>
    public bool IsReference { get; init; }

    /// <summary>By task; a task without a finished run is absent.</summary>
    public required IReadOnlyDictionary<string, Cell> Cells { get; init; }

    /// <summary>What was asked for, by task; empty where the results have no plan.</summary>
    public IReadOnlyDictionary<string, MissingRuns> Planned { get; init; } = new Dictionary<string, MissingRuns>();

    /// <summary>What PEFT reaches by the same method, by task.</summary>
    public IReadOnlyDictionary<string, PeerCell> Peers { get; init; } = new Dictionary<string, PeerCell>();

    /// <summary>The mean over the section's tasks, spread over the seeds that have them all; null where a task is missing.</summary>
    public Spread? Average { get; init; }

    /// <summary>The difference to the reference over the tasks that both have; null for the reference itself.</summary>
    public Difference? Difference { get; init; }
}

/// <summary>One strategy on one task, at the learning rate selected for it.</summary>
internal sealed record Cell
{
    public required double Rate { get; init; }

    /// <summary>The best epoch's metric at <see cref="Rate"/>, by seed.</summary>
    public required IReadOnlyDictionary<int, double> BySeed { get; init; }

    public required Spread Spread { get; init; }

    /// <summary>All rates tried, rising.</summary>
    public required IReadOnlyList<RateResult> Rates { get; init; }

    public Difference? Difference { get; init; }

    public required IReadOnlyList<CurvePoint> Curve { get; init; }

    public required Costs Costs { get; init; }

    /// <summary>Mean over the runs, as <see cref="RunRecord.FactorizationError"/>.</summary>
    public double? FactorizationError { get; init; }
}

/// <param name="Rate">The learning rate.</param>
/// <param name="BySeed">The best epoch's metric of the seeds that finished.</param>
/// <param name="FailedSeeds">The seeds that failed at this rate.</param>
internal sealed record RateResult(double Rate, IReadOnlyDictionary<int, double> BySeed, IReadOnlyList<int> FailedSeeds)
{
    /// <summary>Over the seeds that finished.</summary>
    public Spread Spread { get; } = Spread.Of([.. BySeed.OrderBy(s => s.Key).Select(s => s.Value)]);

    /// <summary>The seeds that ended, well or not.</summary>
    public IEnumerable<int> Tried => BySeed.Keys.Concat(FailedSeeds);

    /// <summary>Over some seeds, as far as they finished.</summary>
    public Spread Over(IReadOnlySet<int> seeds) => Spread.Of([.. BySeed.Where(s => seeds.Contains(s.Key)).OrderBy(s => s.Key).Select(s => s.Value)]);
}

/// <summary>Means over the seeds after an epoch.</summary>
internal sealed record CurvePoint(int Epoch, double? Metric, double? Loss);

/// <summary>Means over a cell's runs: seconds, rows per second, and the largest peak of memory.</summary>
internal sealed record Costs(
    double Preparation, double Training, double? Evaluation, double? SamplesPerSecond, long? ProcessBytes, long? DeviceBytes, int RunsInParallel, long? Trainable);
