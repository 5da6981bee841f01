using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>LoRA whose steps imitate those of full fine-tuning. See <see cref="LoraProMethod"/>.</summary>
    public static FineTuningMethod LoraPro() => new LoraProMethod();
}

/// <summary>
/// LoRA-Pro (arXiv 2407.18242): plain LoRA, W + s·B·A, whose A and B are moved so that the change of s·B·A comes as near as it can to a step of Adam
/// on the full weight.
/// </summary>
/// <remarks>
/// <para>
/// As the authors' code does (mrflogs/LoRA-Pro fe26027, DeepSpeed-0.15.1/deepspeed/runtime/zero/stage_1_and_2.py, lorapro_full_adjustment). With
/// ∂A, ∂B the gradients: g_A = s⁻²(BᵀB)⁻¹∂A and g_B = s⁻²(I − B(BᵀB)⁻¹Bᵀ)∂B(AAᵀ)⁻¹ give the equivalent gradient s(B·g_A + g_B·A) [out, in] of W, which
/// Adam turns into a step G; ∂A ← s·BᵀG and ∂B ← s·G·Aᵀ then give g_A = s⁻²(BᵀB)⁻¹∂A + XA and g_B as above − BX, where X [r, r] solves
/// BᵀB·X + X·AAᵀ = −s⁻²(BᵀB)⁻¹∂A·Aᵀ, and A and B move by the rate times g_A and g_B. 1e-8·I is added before inverting.
/// </para>
/// <para>
/// Here clipping comes first, as for every method; A and B do not decay, as there. Adam's two moments are of W's size for each adapted layer, in
/// memory and in checkpoints. The rest of the model is AdamW's. The fused encoder serves: what is trained is plain LoRA, in every file too.
/// </para>
/// </remarks>
public sealed record LoraProMethod : LoraFamilyMethod
{
    /// <inheritdoc/>
    public override string Name => "lora-pro";

    internal override string RateObstacle => "it moves A and B itself, by one rate";

    internal override AdapterKind Form => AdapterKind.Lora;

    internal override FamilyStart Start(FamilyLayer layer) => layer.AsMade();

    internal override MethodHooks Hooks(MethodRun run) => new LoraProHooks(run);

    // AdamW passes them by.
    private protected override void Prepare(LinearAdapter adapter)
    {
        foreach (var parameter in adapter.Parameters)
            parameter.MovedByMethod = true;
    }
}
