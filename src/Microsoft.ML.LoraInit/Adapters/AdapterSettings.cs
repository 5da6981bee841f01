using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>Where adapters go and how large they are: the trainers' options, in the engine's form.</summary>
internal sealed record AdapterSettings
{
    /// <summary>r.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>Numerator of the scaling.</summary>
    public double Alpha { get; init; } = 16;

    /// <summary>alpha / √r (rsLoRA, arXiv 2312.03732) instead of alpha / r.</summary>
    public bool RankStabilized { get; init; }

    /// <summary>Dropout on the adapters' input.</summary>
    public double Dropout { get; init; }

    /// <summary>DoRA (arXiv 2402.09353).</summary>
    public bool UseDora { get; init; }

    public TargetModules TargetModules { get; init; } = TargetModules.QueryValue;

    /// <summary>Layers that <see cref="TargetModules"/> chooses and that get none all the same; null for none.</summary>
    public TargetModules? ExcludeModules { get; init; }

    /// <summary>Encoder layers adapted, from 0; null for all.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; init; }

    public IReadOnlyDictionary<string, int> RankPattern { get; init; } = new Dictionary<string, int>();

    public IReadOnlyDictionary<string, double> AlphaPattern { get; init; } = new Dictionary<string, double>();

    /// <summary>What stands before a layer's number in names, as PEFT's layers_pattern; empty for the first number between dots.</summary>
    public IReadOnlyList<LayerPattern> LayersPattern { get; init; } = [];

    /// <summary>Whether pattern keys may match no layer, as in PEFT's files; users' options are checked.</summary>
    public bool AllowsUnusedPatterns { get; init; }

    /// <summary>What the patterns share where they come from a file.</summary>
    public PatternBudget? PatternBudget { get; init; }

    /// <summary>Whether a rank may be more than a layer has room for, as where factors are held whole from some rank on.</summary>
    public bool AllowsAnyRank { get; init; }

    /// <summary>What messages call all these.</summary>
    public AdapterSettingNames Names { get; init; } = AdapterSettingNames.Options;

    /// <summary>The number of a module's layer, or null.</summary>
    public int? LayerOf(string module) => LayersPattern.Count == 0
        ? AdapterPlanner.LayerIndex(module)
        : LayersPattern.Select(p => p.Number(module)).FirstOrDefault(n => n is not null);
}

/// <summary>What messages call the settings of <see cref="AdapterSettings"/>: the trainers' options, or the keys of a file.</summary>
internal sealed record AdapterSettingNames
{
    public static AdapterSettingNames Options { get; } = new();

    public string Rank { get; init; } = nameof(AdapterSettings.Rank);

    public string Alpha { get; init; } = nameof(AdapterSettings.Alpha);

    public string Dropout { get; init; } = "LoraDropout";

    public string TargetModules { get; init; } = nameof(AdapterSettings.TargetModules);

    public string ExcludeModules { get; init; } = nameof(AdapterSettings.ExcludeModules);

    public string LayersToTransform { get; init; } = nameof(AdapterSettings.LayersToTransform);

    public string RankPattern { get; init; } = nameof(AdapterSettings.RankPattern);

    public string AlphaPattern { get; init; } = nameof(AdapterSettings.AlphaPattern);
}
