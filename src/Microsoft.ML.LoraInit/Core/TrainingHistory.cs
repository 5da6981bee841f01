using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit;

/// <summary>How a training run went. A trained model keeps it and stores it when saved.</summary>
public sealed record TrainingHistory
{
    private static readonly JsonSerializerOptions Json = UntrustedJson.Strict(new(JsonSerializerDefaults.Web)
    {
        // Correlations and losses may be NaN, which plain JSON cannot say.
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    });

    /// <summary>The epochs that ended, in order.</summary>
    public IReadOnlyList<EpochHistory> Epochs { get; init; } = [];

    /// <summary>The epoch, from 1, whose parameters the model has: the best by validation, or the last without validation rows.</summary>
    public int BestEpoch { get; init; }

    /// <summary>Name of the metric that chose <see cref="BestEpoch"/>, such as <c>accuracy</c>, <c>matthews</c> or <c>pearson</c>.</summary>
    public required string MetricName { get; init; }

    /// <summary>Optimiser steps done.</summary>
    public long Steps { get; init; }

    /// <summary>Numbers that training could change, the head included.</summary>
    public long TrainableParameters { get; init; }

    /// <summary>Numbers in the whole model: base, head and adapters.</summary>
    public long TotalParameters { get; init; }

    /// <summary>Time that the initialisation of the adapters took, in seconds; apart from training.</summary>
    public double InitializationSeconds { get; init; }

    /// <summary>
    /// How near the start is to the weights: mean((s·B·A − W)²) over the entries of each adapted layer, averaged over the layers,
    /// with W as it was pre-trained; what IniLoRA's fit minimises. Null without low-rank adapters, for methods that
    /// start in their own way (LoHa, LoKr, MELoRA, PRoLoRA), and over a base in 4 bits.
    /// </summary>
    public double? FactorizationError { get; init; }

    /// <summary>Training rows with a part beyond <see cref="LoraTrainerOptions.MaxLength"/> that is not read.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int CutRows { get; init; }

    /// <summary>How the probabilities were calibrated; null where they were not.</summary>
    public CalibrationHistory? Calibration { get; init; }

    /// <summary>Training rows per second over all epochs, validation left out.</summary>
    public double TrainSamplesPerSecond { get; init; }

    /// <summary>Whether the run was cancelled and the model is the best until then.</summary>
    public bool Cancelled { get; init; }

    /// <summary>Whether training ended before the last epoch because validation got no better.</summary>
    public bool StoppedEarly { get; init; }

    /// <summary>The history as one line of JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="FormatException">The text is not a history.</exception>
    public static TrainingHistory FromJson(string json)
    {
        try
        {
            return UntrustedJson.Read<TrainingHistory>(json, new("A training history", "Save it again."), Json);
        }
        catch (InvalidDataException e)
        {
            throw new FormatException(e.Message, e);
        }
    }
}

/// <summary>One epoch of a <see cref="TrainingHistory"/>.</summary>
public sealed record EpochHistory
{
    /// <summary>From 1.</summary>
    public required int Epoch { get; init; }

    /// <summary>Mean training loss over the epoch's rows, as the steps saw them (dropout on).</summary>
    public required double TrainLoss { get; init; }

    /// <summary>Mean loss of the validation rows, or null without them.</summary>
    public double? ValidationLoss { get; init; }

    /// <summary>Metrics of the validation rows, or null without them.</summary>
    public EpochMetrics? Metrics { get; init; }

    /// <summary>Learning rate of the epoch's last step.</summary>
    public double LearningRate { get; init; }

    /// <summary>Time of the epoch's training steps, in seconds; validation is not in it.</summary>
    public double Seconds { get; init; }

    /// <summary>Training rows per second.</summary>
    public double SamplesPerSecond { get; init; }
}
