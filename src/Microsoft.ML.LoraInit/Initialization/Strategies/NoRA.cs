using Microsoft.ML.LoraInit.Initialization;
using Microsoft.ML.LoraInit.Initialization.Strategies;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>A random sketch of W in B, A zero. See <see cref="NoRAInitialization"/>.</summary>
    /// <param name="scale">Factor on the sketch.</param>
    public static LoraInitialization NoRA(double scale = 1) => new NoRAInitialization { Scale = scale };
}

/// <summary>
/// NoRA, LoRA with a Nyström initialisation (arXiv 2410.18965, ICLR 2025): B = scale · W Ω, [out, r], with
/// Ω ~ N(0, 1/r), [in, r], so that E[B Bᵀ] = scale² · W Wᵀ; A = 0, [r, in]. The product is zero and the base weight
/// untouched: B's columns span where W's output lives, at the cost of one product.
/// </summary>
/// <remarks>
/// Not to be confused with <see cref="NLoRAInitialization"/>, which is another method. The paper's analysis is of matrix
/// factorisation, X₀ = M Ω and Y₀ = 0; the scale of its adapters was not to be had, so it is a setting here. At 1 a
/// number of B is about as large as in <see cref="InitBInitialization"/> when W's rows have norm near 1. NoRA+ trains with
/// the preconditioned (Riemannian) gradient, an option of the optimiser. Cost: 2·out·in·r multiplications a layer.
/// </remarks>
public sealed record NoRAInitialization : LoraInitialization
{
    /// <summary>Factor on B. Default 1.</summary>
    public double Scale { get; init => field = Setting.Positive(value); } = 1;

    /// <inheritdoc/>
    public override string Name => "nora";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseUntouched;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights;

    internal override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => Decompositions.Scoped(() =>
    [
        .. context.Targets.Select(target =>
        {
            var omega = RandomFactors.Normal(context, target, Name, target.InFeatures, target.Rank, Scale / Math.Sqrt(target.Rank));
            return new InitializedAdapter(RandomFactors.ZeroA(context, target), context.Weight(target).matmul(omega));
        }),
    ]);
}
