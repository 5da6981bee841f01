using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Ranks shared out among the layers while training. See <see cref="AdaLoraMethod"/>.</summary>
    /// <param name="targetRank">The mean rank at the end; null for the trainer's <c>Rank</c>.</param>
    /// <param name="initialRank">Every layer's rank at the start; null for one and a half times the target.</param>
    public static FineTuningMethod AdaLora(int? targetRank = null, int? initialRank = null) => new AdaLoraMethod { TargetRank = targetRank, InitialRank = initialRank };
}

/// <summary>
/// AdaLoRA (arXiv 2303.10512): W + s·B·diag(λ)·A with A [r, in], λ [r], B [out, r]. Rows of A and columns of B are kept near orthonormal by a
/// penalty, so that the entries of λ act as singular values; those of all layers compete, and the least important are set to zero until the
/// mean rank has come down from <see cref="InitialRank"/> to <see cref="TargetRank"/>.
/// </summary>
/// <remarks>
/// <para>
/// As huggingface/peft computes it (5d602fd, tuners/adalora/layer.py and model.py). After each update the sensitivity I = |w·∂w| of every
/// number is smoothed, Ī ← β₁Ī + (1 − β₁)I, and so is its uncertainty, Ū ← β₂Ū + (1 − β₂)|I − Ī|; a triplet's score is that of its λ, Ī·Ū,
/// plus the means of those of its row of A and column of B. At step t, between <see cref="WarmupSteps"/> and the last
/// <see cref="FinalSteps"/>, the budget is target + (initial − target)(1 − (t − warmup)/(total − final − warmup))³ triplets; those at or below
/// the score that it implies are zeroed. Zeroed triplets may come back until the final steps begin.
/// </para>
/// <para>
/// s is alpha / InitialRank throughout. Not taken over: the 1e-5 that PEFT adds to the rank. Merges into plain weights; PEFT's files both ways.
/// </para>
/// </remarks>
public sealed record AdaLoraMethod : LoraFamilyMethod
{
    internal const string Lambda = ".lora_E";

    private const double StartDeviation = 0.02;

    /// <summary>Every layer's rank at the start, at least 1; null (the default) for one and a half times the target, rounded up.</summary>
    [JsonPropertyName("initial")]
    public int? InitialRank { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(InitialRank)); }

    /// <summary>The mean rank at the end, from 1 to the initial one; null (the default) for the trainer's <c>Rank</c>.</summary>
    [JsonPropertyName("target")]
    public int? TargetRank { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(TargetRank)); }

    /// <summary>Steps before the first cut (PEFT's tinit); null (the default) for a tenth of the run.</summary>
    [JsonPropertyName("warmup")]
    public int? WarmupSteps { get; init => field = Adapters.Family.Setting.AtLeast(0, value, nameof(WarmupSteps)); }

    /// <summary>Steps from the last cut on, which comes with the first of them (PEFT's tfinal; 0 is as 1); null (the default) for three tenths of the run.</summary>
    [JsonPropertyName("final")]
    public int? FinalSteps { get; init => field = Adapters.Family.Setting.AtLeast(0, value, nameof(FinalSteps)); }

    /// <summary>Steps from one cut to the next (PEFT's deltaT), at least 1. Default 1.</summary>
    [JsonPropertyName("interval")]
    public int Interval { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Interval)); } = 1;

    /// <summary>β₁, the smoothing of the sensitivity, in (0, 1). Default 0.85.</summary>
    public double Beta1 { get; init => field = Adapters.Family.Setting.Share(value, nameof(Beta1)); } = 0.85;

    /// <summary>β₂, the smoothing of the uncertainty, in (0, 1). Default 0.85.</summary>
    public double Beta2 { get; init => field = Adapters.Family.Setting.Share(value, nameof(Beta2)); } = 0.85;

    /// <summary>γ: the loss gets γ times the mean of ‖A·Aᵀ − I‖ and ‖Bᵀ·B − I‖ over all factors. Default 0.5, as in PEFT; the paper has 0.1 for GLUE.</summary>
    [JsonPropertyName("orthogonality")]
    public double OrthogonalityWeight { get; init => field = Adapters.Family.Setting.NotNegative(value, nameof(OrthogonalityWeight)); } = 0.5;

    /// <summary>The length of the schedule in steps (PEFT's total_step); null (the default) for that of the run.</summary>
    [JsonPropertyName("total")]
    public int? TotalSteps { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(TotalSteps)); }

    /// <inheritdoc/>
    public override string Name => "adalora";

    internal static GatedKind GateKind { get; } = new("adalora", Lambda, decay: true);

    internal override AdapterKind Form => GateKind;

    internal override AdapterSettings Adjust(AdapterSettings settings)
    {
        var target = TargetRank ?? settings.Rank;
        var initial = InitialRank ?? ((3 * target) + 1) / 2;
        var name = $"{nameof(AdaLoraMethod)}.{nameof(InitialRank)}{(InitialRank is null ? $" (by default 1.5 times the target rank of {target})" : "")}";
        return target <= initial ? settings with { Rank = initial, Names = settings.Names with { Rank = name } }
            : throw new ArgumentException($"The method 'adalora' has the target rank {target} above the initial rank {initial}: ranks can only be taken away. Raise InitialRank (adalora:initial=…), or lower TargetRank (adalora:target=…).");
    }

    // Its own start unless an initialisation was chosen: then with every λ at 1, which is what that made.
    internal override FamilyStart Start(FamilyLayer layer) => layer.StartsAtNothing
        ? new(new Dictionary<string, Tensor>(StringComparer.Ordinal)
        {
            [LinearAdapter.Names.A] = layer.Normal("adalora/A", StartDeviation, layer.Target.Rank, layer.Target.InFeatures),
            [LinearAdapter.Names.B] = layer.Normal("adalora/B", StartDeviation, layer.Target.OutFeatures, layer.Target.Rank),
            [Lambda] = layer.Zeros(layer.Target.Rank),
        })
        : layer.AsMade((Lambda, layer.Ones(layer.Target.Rank)));

    internal override void CheckRun(long steps) => _ = Schedule(steps, 1, 1);

    internal override MethodHooks Hooks(MethodRun run)
    {
        var adapters = run.Adapters<GatedAdapter>();
        return new AdaLoraHooks(run, Schedule(run.Steps, adapters.Sum(a => a.Target.Rank), (TargetRank ?? run.Settings.Rank) * adapters.Count), this);
    }

    /// <param name="steps">Of the run.</param>
    /// <param name="initial">Triplets at the start.</param>
    /// <param name="target">Triplets wanted.</param>
    /// <exception cref="ArgumentException">There is no step to cut in.</exception>
    internal BudgetSchedule Schedule(long steps, int initial, int target)
    {
        var total = TotalSteps ?? steps;
        var (warmup, final) = (WarmupSteps ?? (total / 10), FinalSteps ?? (3 * total / 10));
        return warmup < total - final && total > 1 ? new(warmup, final, total, Interval, initial, Math.Min(initial, target))
            : throw new ArgumentException($"The method 'adalora' has no step left to take ranks away in: of {total} steps, {warmup} come before the first cut and {final} after the last. Lower WarmupSteps or FinalSteps (adalora:warmup=…,final=…), or train for longer.");
    }
}
