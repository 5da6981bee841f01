using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>A small matrix trained between W's leading singular vectors. See <see cref="LoraXsInitialization"/>.</summary>
    /// <param name="sigma">The deviation of N's numbers.</param>
    /// <param name="iterations">Power iterations of a randomised SVD; 0 for the exact one.</param>
    public static LoraInitialization LoraXs(double sigma = 1e-5, int iterations = 0) => new LoraXsInitialization { Sigma = sigma, Iterations = iterations };
}

/// <summary>
/// LoRA-XS (arXiv 2405.17604; MohammadrezaBanaei/LoRA-XS): three matrices, ΔW = s·B·N·A. With W = U S Vᵀ, [out, in],
/// A = S_r V_rᵀ, [r, in], and B = U_r, [out, r], both frozen; N ~ N(0, σ²), [r, r], is all that is trained: r² numbers a
/// layer. The base weight stays, and the function changes by noise of the size σ.
/// </summary>
/// <remarks>
/// As in the authors' code (e50b1a8, utils/initialization_utils.py and svd_utils.py): σ = 1e-5, the singular values on A's side,
/// the product not divided by s. They sketch the SVD with 10 power iterations (scikit-learn's TruncatedSVD):
/// <see cref="Iterations"/> = 0, the default here, is exact. <see cref="Sigma"/> = 0 starts with the base's own function; N learns
/// all the same, since A and B are not zero. Their alpha is 16 whatever r is, and their GLUE scripts give N learning rates from
/// 1e-4 to 1e-3. Cost: one SVD of [out, in] a layer, fp64, batched by shape.
/// </remarks>
public sealed record LoraXsInitialization : LoraInitialization
{
    /// <summary>σ, at least 0. Default 1e-5, the authors'.</summary>
    public double Sigma { get; init => field = Setting.Between(value, 0, double.MaxValue); } = 1e-5;

    /// <summary>Power iterations of a randomised SVD; 0 (the default) for the exact one.</summary>
    public int Iterations { get; init => field = Setting.AtLeast(value, 0); }

    /// <inheritdoc/>
    public override string Name => "lora-xs";

    /// <inheritdoc/>
    public override InitializationFamily Family => Sigma == 0 ? InitializationFamily.BaseUntouched : InitializationFamily.ChangesFunction;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights;

    /// <inheritdoc/>
    public override string? PreconditioningObstacle => "its product has three factors, and the preconditioner is for two";

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => Decompositions.Scoped(() =>
    [
        .. context.Targets.Zip(
            Decompositions.Leading(context, Name, context.Weight, t => t.Rank, Iterations, "Singular values of the weights"),
            (target, found) => new InitializedAdapter(
                (found.S.unsqueeze(1) * found.Vh).to(ScalarType.Float32), found.U.to(ScalarType.Float32))
            {
                N = RandomFactors.Normal(context, target, $"{Name}/N", target.Rank, target.Rank, Sigma),
                FreezeA = true,
                FreezeB = true,
            }),
    ]);
}
