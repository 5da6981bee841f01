using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>LoRA and a sparse matrix beside it. See <see cref="RosaMethod"/>.</summary>
    /// <param name="density">The share of a weight's entries that the sparse matrix has.</param>
    /// <param name="warmup">Steps before gradients are collected for the choice of those entries.</param>
    public static FineTuningMethod Rosa(double density = 0.003, int warmup = 0) => new RosaMethod { Density = density, Warmup = warmup };
}

/// <summary>
/// RoSA (arXiv 2401.04679): W + s·B·A + S with A [r, in], B [out, r] and a sparse S [out, in], whose entries are where W's gradient is largest. What low rank
/// cannot express, S does.
/// </summary>
/// <remarks>
/// <para>
/// As the authors' code does (IST-DASLab/peft-rosa 810da6a, src/peft/tuners/rosa/scheduler.py with the schedule wl, hooks.py, layer.py, splinear.py):
/// <see cref="Warmup"/> steps train A and B alone; <see cref="Gradients"/> further steps train them and collect ∂W of each adapted layer, squared unless
/// <see cref="Squared"/> is false; then the ⌊density·out·in⌋ places of the largest |Σ| are chosen for good, S starts there at zero, and all three are trained.
/// S is not scaled by s, and its input is not dropped.
/// </para>
/// <para>
/// Here a step's whole gradient counts once, however many batches it is accumulated over. The authors' scripts start A and B anew once the
/// places are known; that is not done. S has an AdamW of its own, with the same rate and decay, that begins when S does. Goes with the initialisations that
/// leave two trained factors, on one device; until the places are chosen a GPU's steps run call by call. Merges into plain weights; no LoRA is
/// exactly the model.
/// </para>
/// </remarks>
public sealed record RosaMethod : LoraFamilyMethod
{
    /// <summary>S's share of a weight's entries, between 0 and 1. Default 0.003, as in the code.</summary>
    public double Density { get; init => field = Adapters.Family.Setting.Share(value, nameof(Density)); } = 0.003;

    /// <summary>Steps before the collection, at least 0. Default 0, as the code's default schedule; the paper's runs have 64.</summary>
    public int Warmup { get; init => field = Adapters.Family.Setting.AtLeast(0, value, nameof(Warmup)); }

    /// <summary>Steps whose gradients are collected, at least 1. Default 1, as in the code.</summary>
    public int Gradients { get; init => field = Adapters.Family.Setting.AtLeast(1, value, nameof(Gradients)); } = 1;

    /// <summary>Whether gradients are squared before they are added up (the code's mean_squared, a diagonal Fisher information). Default true; false adds them as they are (its mean).</summary>
    public bool Squared { get; init; } = true;

    /// <inheritdoc/>
    public override string Name => "rosa";

    internal override string DevicesObstacle => "the gradients that S's places are chosen by are collected on one device";

    internal override AdapterKind Form => new RosaKind(Density);

    internal override void Check(AdapterTarget target)
    {
        if (RosaKind.Entries(Density, target) < 1)
            throw new ArgumentException(FormattableString.Invariant($"The method 'rosa' has Density = {Density}, which is no entry of '{target.ModuleName}' [{target.OutFeatures}, {target.InFeatures}]: use a higher Density."));
    }

    internal override void CheckRun(long steps)
    {
        if (Warmup + (long)Gradients >= steps)
            throw new ArgumentException($"The method 'rosa' has no step left to train S in: of {steps} steps, {Warmup} come before the collection of gradients and {Gradients} are it. Lower Warmup or Gradients, or train for longer.");
    }

    internal override FamilyStart Start(FamilyLayer layer)
    {
        var entries = RosaKind.Entries(Density, layer.Target);
        return layer.AsMade((RosaKind.Values, layer.Zeros(entries)), (RosaKind.Places, layer.Zeros(2, entries)));
    }

    internal override MethodHooks Hooks(MethodRun run) => new RosaHooks(run, this);

    private protected override void Prepare(LinearAdapter adapter) => ((RosaAdapter)adapter).Values.MovedByMethod = true;
}
