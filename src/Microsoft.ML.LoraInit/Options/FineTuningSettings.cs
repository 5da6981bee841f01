using Microsoft.ML.LoraInit.Adapters;

namespace Microsoft.ML.LoraInit.Options;

/// <summary>
/// What the engine does, in its own form: the trainers' options without columns, texts, devices and whoever listens. A run's
/// fingerprint names every setting in here, so one that is added is compared when a checkpoint is resumed, by its own name.
/// </summary>
internal sealed record FineTuningSettings
{
    /// <summary>What is trained beside the head.</summary>
    public FineTuningMethod Method { get; init; } = FineTuningMethod.Lora();

    /// <summary>How the adapters start.</summary>
    public LoraInitialization Initialization { get; init; } = LoraInitialization.Kaiming();

    /// <summary>The folder of an adapter to train on from, or null.</summary>
    public string? InitialAdapter { get; init; }

    /// <summary>Whether the base is held in 4 bits.</summary>
    public BaseQuantization BaseQuantization { get; init; } = BaseQuantization.None;

    public AdapterSettings Adapters { get; init; } = new();

    public OptimizerSettings Optimizer { get; init; } = new();

    public ScheduleSettings Schedule { get; init; } = new();

    /// <summary>Where a run is kept; null for nowhere.</summary>
    public CheckpointSettings? Checkpoints { get; init; }
}

/// <summary>What happens in an optimiser step.</summary>
internal sealed record OptimizerSettings
{
    /// <summary>AdamW's decoupled decay.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Whether biases and norms decay too.</summary>
    public bool DecayBiasesAndNorms { get; init; }

    /// <summary>The norm that gradients are clipped to; 0 for no clipping.</summary>
    public double MaxGradientNorm { get; init; } = 1;

    /// <summary>B's learning rate over everybody else's (LoRA+).</summary>
    public double LoraPlusRatio { get; init; } = 1;

    /// <summary>What is done to the gradients of A and B before AdamW sees them.</summary>
    public GradientPreconditioning GradientPreconditioning { get; init; } = GradientPreconditioning.None;

    /// <summary>ε of the Riemannian preconditioning.</summary>
    public double PreconditioningDamping { get; init; } = 1e-2;
}

/// <summary>Which rows meet at which learning rate, and when it ends.</summary>
internal sealed record ScheduleSettings
{
    /// <summary>Passes over the data.</summary>
    public int MaxEpochs { get; init; } = 3;

    /// <summary>Rows a batch.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Batches an optimiser step.</summary>
    public int GradientAccumulationSteps { get; init; } = 1;

    /// <summary>Peak learning rate.</summary>
    public double InitialLearningRate { get; init; } = 1e-3;

    /// <summary>How the rate moves after its peak.</summary>
    public LearningRateSchedule LearningRateSchedule { get; init; } = LearningRateSchedule.Linear;

    /// <summary>Share of the steps over which it rises.</summary>
    public double WarmupRatio { get; init; } = 0.06;

    /// <summary>Epochs without a better metric after which training ends; null for never.</summary>
    public int? EarlyStoppingPatience { get; init; }
}

/// <summary>Where a run is kept; decides nothing of what it computes.</summary>
/// <param name="Directory">The folder.</param>
/// <param name="EverySteps">Optimiser steps between checkpoints; null for one at every epoch's end.</param>
internal sealed record CheckpointSettings(string Directory, int? EverySteps = null);
