using Microsoft.ML.LoraInit.Initialization.Strategies;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>The leading singular triplets of W. See <see cref="PissaInitialization"/>.</summary>
    /// <param name="iterations">Power iterations of a randomised SVD; 0 for the exact one.</param>
    public static LoraInitialization Pissa(int iterations = 0) => new PissaInitialization { Iterations = iterations };
}

/// <summary>
/// PiSSA (arXiv 2404.02948; GraphPKU/PiSSA, huggingface/peft): with W = U S Vᵀ, [out, in], and its r leading triplets,
/// A = √(S_r/s) V_rᵀ, [r, in], and B = U_r √(S_r/s), [out, r]. The base becomes the residual W − s·B·A = W − U_r S_r V_rᵀ,
/// so that the model starts with its own function and trains W's principal part.
/// </summary>
/// <remarks>
/// S is divided by the scaling s as in PEFT, so that s·B·A is the principal part whatever alpha is; the paper has
/// alpha = r, where s = 1. <see cref="Iterations"/> &gt; 0 takes the fast form (<c>pissa_niter_16</c> in PEFT) by the
/// method of Halko et al. with 8 more columns than the rank, where PEFT draws none: closer to the exact triplets.
/// Cost: one SVD of [out, in] a layer, batched over layers of one shape, fp64; randomised about
/// 4·(iterations + 1)·out·in·(r + 8) multiplications.
/// </remarks>
public sealed record PissaInitialization : LoraInitialization
{
    /// <summary>Power iterations of the randomised SVD; 0 (the default) for the exact one. The paper uses 4 and 16.</summary>
    public int Iterations { get; init => field = Setting.AtLeast(value, 0); }

    /// <inheritdoc/>
    public override string Name => "pissa";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
        Decompositions.Scoped(() => Decompositions.CorrectedFactors(context, Decompositions.Leading(
            context, Name, context.Weight, target => target.Rank, Iterations, "Singular values of the weights")));
}
