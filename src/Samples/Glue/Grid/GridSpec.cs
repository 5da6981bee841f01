namespace Microsoft.ML.LoraInit.Samples.Glue.Grid;

/// <summary>What a grid is asked to compare.</summary>
internal sealed record GridSpec
{
    public required IReadOnlyList<string> Tasks { get; init; }

    public required string BaseModel { get; init; }

    public string BaseModelSha256 { get; init; } = "";

    public string Precision { get; init; } = "float32";

    public IReadOnlyList<string> Methods { get; init; } = [Runs.Methods.Lora];

    public required IReadOnlyList<LoraInitialization> Initializations { get; init; }

    public IReadOnlyList<int> Ranks { get; init; } = [8];

    public IReadOnlyList<double> Alphas { get; init; } = [16];

    public required IReadOnlyList<double> LearningRates { get; init; }

    public required IReadOnlyList<int> Seeds { get; init; }

    /// <summary>How many seeds, from the first, run at every rate; null for all.</summary>
    public int? SweepSeeds { get; init; }

    public required PerTask<int> Epochs { get; init; }

    public PerTask<int> BatchSize { get; init; } = new(32);

    public double WarmupRatio { get; init; } = 0.06;

    public double WeightDecay { get; init; } = 0.01;

    public int? MaxLength { get; init; }

    public int? TrainRows { get; init; }

    public int? DevRows { get; init; }
}
