using Microsoft.ML.LoraInit.Peft;

namespace Microsoft.ML.LoraInit;

/// <summary>What an adapter folder says about itself, read without its base model.</summary>
public sealed record PeftAdapterInfo
{
    /// <summary><c>base_model_name_or_path</c>: a hub id, or a path on the machine that wrote the folder; null where it was not stored.</summary>
    public required string? BaseModel { get; init; }

    /// <summary>PEFT's <c>peft_type</c>: <c>LORA</c>, <c>ADALORA</c>, <c>LOHA</c> or <c>LOKR</c>.</summary>
    public string Kind { get; init; } = "LORA";

    /// <summary>r, where no pattern says otherwise; AdaLoRA's initial rank.</summary>
    public required int Rank { get; init; }

    /// <summary>Numerator of the scaling, where no pattern says otherwise.</summary>
    public required double Alpha { get; init; }

    /// <summary>Whether the scaling is alpha / √r.</summary>
    public required bool RankStabilized { get; init; }

    /// <summary>Whether these are DoRA adapters.</summary>
    public required bool UseDora { get; init; }

    /// <summary>The layers chosen.</summary>
    public required TargetModules TargetModules { get; init; }

    /// <summary>Encoder layers adapted, from 0; null for all.</summary>
    public required IReadOnlyList<int>? LayersToTransform { get; init; }

    /// <summary>Number of logits of the classification head; 0 where the folder has none.</summary>
    public required int Outputs { get; init; }

    /// <summary>Each module with an adapter, and its rank.</summary>
    public required IReadOnlyList<(string Module, int Rank)> Modules { get; init; }

    internal static PeftAdapterInfo Of(PeftFolder folder)
    {
        var (config, settings) = (folder.Config, folder.Config.Settings);
        return new()
        {
            BaseModel = config.BaseModel,
            Kind = folder.Family?.Type ?? "LORA",
            Rank = settings.Rank,
            Alpha = settings.Alpha,
            RankStabilized = settings.RankStabilized,
            UseDora = settings.UseDora,
            TargetModules = settings.TargetModules,
            LayersToTransform = settings.LayersToTransform,
            Outputs = folder.Outputs,
            Modules = [.. folder.Modules],
        };
    }
}
