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

    public IReadOnlyList<AlphaRule> Alphas { get; init; } = [16];

    /// <summary>Ranks of particular layers, as <see cref="Runs.RunConfig.RankPattern"/>; null for one rank everywhere.</summary>
    public string? RankPattern { get; init; }

    public required IReadOnlyList<double> LearningRates { get; init; }

    /// <summary>Other rates for some tasks; null for <see cref="LearningRates"/> everywhere.</summary>
    public PerTask<IReadOnlyList<double>>? TaskRates { get; init; }

    public required IReadOnlyList<int> Seeds { get; init; }

    /// <summary>How many seeds, from the first, run at every rate; null for all.</summary>
    public int? SweepSeeds { get; init; }

    public required PerTask<int> Epochs { get; init; }

    public PerTask<int> BatchSize { get; init; } = new(32);

    public double WarmupRatio { get; init; } = 0.06;

    public double WeightDecay { get; init; } = 0.01;

    public bool DecayBiases { get; init; }

    /// <summary>The norm that gradients are clipped to; 0 for no clipping.</summary>
    public double MaxGradientNorm { get; init; } = 1;

    public int? MaxLength { get; init; }

    /// <summary>Numbers of training rows, each a grid of its own; null for all rows.</summary>
    public IReadOnlyList<int?> TrainRows { get; init; } = [null];

    public int? DevRows { get; init; }

    /// <summary>By task: the task, or the folder, whose adapter it starts from.</summary>
    public PerTask<string?> Start { get; init; } = new(null);
}
