using Microsoft.ML.LoraInit.Adapters;

namespace Microsoft.ML.LoraInit.Peft;

/// <summary>
/// What an <c>adapter_config.json</c> says, as far as it concerns a LoRA on RoBERTa's linear layers.
/// <see cref="PeftConfigReader"/> and <see cref="PeftConfigWriter"/> turn text into it and back.
/// </summary>
internal sealed record PeftConfig
{
    /// <summary>Ranks, alphas, targets, patterns, dropout, DoRA, rsLoRA.</summary>
    public required AdapterSettings Settings { get; init; }

    /// <summary>Layers that <see cref="Settings"/> chooses and that get no adapter all the same; null for none.</summary>
    public TargetModules? Exclude { get; init; }

    /// <summary>Which of the base's biases were trained too.</summary>
    public LoraBias Bias { get; init; }

    /// <summary>The base: a hub id or a path on the machine that wrote it; null where it was not stored.</summary>
    public string? BaseModel { get; init; }

    /// <summary>The base's revision on the hub, or null.</summary>
    public string? Revision { get; init; }

    /// <summary>What is peculiar to AdaLoRA, LoHa or LoKr; null for LoRA.</summary>
    public PeftFamilyConfig? Family { get; init; }

    /// <summary><c>SEQ_CLS</c>, another task, or null.</summary>
    public string? TaskType { get; init; }
}
