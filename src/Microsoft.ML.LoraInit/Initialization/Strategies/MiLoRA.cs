using Microsoft.ML.LoraInit.Initialization;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>The trailing singular triplets of W. See <see cref="MiLoRAInitialization"/>.</summary>
    public static LoraInitialization MiLoRA() => new MiLoRAInitialization();
}

/// <summary>
/// MiLoRA (arXiv 2406.09044; sufenlp/MiLoRA): with W = U S Vᵀ, [out, in], and its r smallest triplets,
/// A = √(S/s) Vᵀ, [r, in], and B = U √(S/s), [out, r]. The base becomes W − s·B·A: it keeps the principal part as it is,
/// and training moves what pre-training used least.
/// </summary>
/// <remarks>
/// The smallest of the min(out, in) triplets of the reduced decomposition. S is divided by s as for
/// <see cref="PiSSAInitialization"/>; the authors have alpha = r, where s = 1 and both forms agree. No randomised form:
/// sketches find leading triplets. Cost: one SVD of [out, in] a layer, fp64, batched by shape. No settings.
/// </remarks>
public sealed record MiLoRAInitialization : LoraInitialization
{
    /// <inheritdoc/>
    public override string Name => "milora";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights;

    internal override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    internal override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
        Decompositions.Scoped(() => Decompositions.CorrectedFactors(context, Decompositions.Full(
            context, context.Weight, target => ^target.Rank.., "Singular values of the weights")));
}
