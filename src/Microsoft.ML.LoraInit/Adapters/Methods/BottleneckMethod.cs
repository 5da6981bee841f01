using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

/// <summary>What the two bottleneck methods have in common. Bottlenecks do not merge into plain weights.</summary>
public abstract record BottleneckMethod : FineTuningMethod
{
    private protected BottleneckMethod(int size)
    {
        if (size < 1)
            throw new ArgumentOutOfRangeException(nameof(size), $"The size of a bottleneck must be at least 1; it is {size}.");
        Size = size;
    }

    /// <summary>Inner width of each bottleneck. Default 64.</summary>
    public int Size { get; }

    [JsonIgnore]
    internal abstract override BottleneckPlacement Bottlenecks { get; }

    internal override void Validate(RobertaConfig config)
    {
        if (Size > config.HiddenSize)
            throw new ArgumentException($"A bottleneck of size {Size} is wider than the model, whose hidden size is {config.HiddenSize}; choose a size from 1 to {config.HiddenSize}.");
    }

    internal override void Apply(RobertaClassifier model, FineTuningPlan plan)
    {
        Validate(model.Config);
        MarkBase(model);
        Bottlenecks.AttachFresh(model, plan.Seed);
    }
}
