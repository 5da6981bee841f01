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
    IReadOnlyList<PublishedRow> Published);

/// <summary>One strategy.</summary>
internal sealed record Row
{
    public required string Label { get; init; }

    /// <summary>The row that the others are compared with.</summary>
    public bool IsReference { get; init; }

    /// <summary>By task; a task without a finished run is absent.</summary>
    public required IReadOnlyDictionary<string, Cell> Cells { get; init; }

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
}

/// <param name="Rate">The learning rate.</param>
/// <param name="Spread">Over the seeds that finished.</param>
/// <param name="Failed">Runs that failed at this rate.</param>
internal sealed record RateResult(double Rate, Spread Spread, int Failed);

/// <summary>Means over the seeds after an epoch.</summary>
internal sealed record CurvePoint(int Epoch, double? Metric, double? Loss);

/// <summary>Means over a cell's runs: seconds, rows per second, and the largest peak of memory.</summary>
internal sealed record Costs(
    double Preparation, double Training, double? Evaluation, double? SamplesPerSecond, long? ProcessBytes, long? DeviceBytes, int RunsInParallel, long? Trainable);
