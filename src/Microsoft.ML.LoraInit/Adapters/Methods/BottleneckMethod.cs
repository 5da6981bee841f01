using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

/// <summary>What the bottleneck methods have in common. Bottlenecks do not merge into plain weights.</summary>
public abstract record BottleneckMethod : FineTuningMethod
{
    private protected BottleneckMethod(int size, int skip)
    {
        if (size < 1)
            throw SettingRange.Error(nameof(size), size, "at least 1, the inner width of a bottleneck");
        if (skip < 0)
            throw SettingRange.Error(nameof(skip), skip, "at least 0, the number of layers without a bottleneck");
        (Size, Skip) = (size, skip);
    }

    /// <summary>Inner width of each bottleneck. Default 64.</summary>
    public int Size { get; }

    /// <summary>
    /// How many of the first layers have none (AdapterDrop, arXiv 2010.11918, whose robust form drops the first n while training
    /// as in use): they stay as they were pre-trained. Default 0.
    /// </summary>
    public int Skip { get; }

    [JsonIgnore]
    internal abstract override BottleneckPlacement Bottlenecks { get; }

    internal override void Validate(RobertaConfig config)
    {
        if (Size > config.HiddenSize)
            throw new ArgumentException($"A bottleneck of size {Size} is wider than the model, whose hidden size is {config.HiddenSize}; choose a size from 1 to {config.HiddenSize}.");
        if (Skip >= config.Layers)
            throw new ArgumentException($"No layer would have a bottleneck: skip is {Skip} and the model has {config.Layers} layers; choose from 0 to {config.Layers - 1}.");
    }

    internal override void Apply(RobertaClassifier model, FineTuningPlan plan)
    {
        Validate(model.Config);
        MarkBase(model);
        Bottlenecks.AttachFresh(model, plan.Seed);
    }
}
