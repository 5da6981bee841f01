namespace Microsoft.ML.LoraInit;

/// <summary>What a training run is doing.</summary>
public enum TrainingPhase
{
    /// <summary>Reading and checking the base model.</summary>
    LoadingModel,

    /// <summary>Reading and tokenising the data.</summary>
    Tokenizing,

    /// <summary>Initialising the adapters.</summary>
    Initializing,

    /// <summary>Optimiser steps.</summary>
    Training,

    /// <summary>Scoring the validation rows.</summary>
    Validating,

    /// <summary>Building the trained model.</summary>
    Finishing,
}

/// <summary>A report on a training run, given to <c>Options.Progress</c> about ten times a second at most and at every phase and epoch end.</summary>
public sealed record TrainingProgress
{
    /// <summary>The current phase.</summary>
    public required TrainingPhase Phase { get; init; }

    /// <summary>Epoch, from 1; 0 before training.</summary>
    public int Epoch { get; init; }

    /// <summary>The number of epochs asked for.</summary>
    public int MaxEpochs { get; init; }

    /// <summary>Optimiser steps (or rows, or layers, outside training) done in this phase.</summary>
    public long Step { get; init; }

    /// <summary>What <see cref="Step"/> will reach; 0 where unknown.</summary>
    public long TotalSteps { get; init; }

    /// <summary>Mean training loss since the last report; null outside training.</summary>
    public double? Loss { get; init; }

    /// <summary>Learning rate of the last step.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Name of the validation metric.</summary>
    public string? MetricName { get; init; }

    /// <summary>Validation metric of the last finished epoch.</summary>
    public double? Metric { get; init; }

    /// <summary>Training rows per second in this epoch.</summary>
    public double? SamplesPerSecond { get; init; }

    /// <summary>Estimated time to the end of training.</summary>
    public TimeSpan? Remaining { get; init; }

    /// <summary>A sentence for people: the layer being initialised, the file being read.</summary>
    public string? Message { get; init; }
}
