using Microsoft.ML.LoraInit.Initialization.Strategies;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>A random sketch of W in one factor, the other zero. See <see cref="NoraInitialization"/>.</summary>
    /// <param name="scale">Factor on the sketch.</param>
    /// <param name="side">The factor that is filled.</param>
    /// <param name="sigma">The deviation of Ω's numbers; null for the side's default.</param>
    public static LoraInitialization Nora(double scale = 1, NoraSide side = NoraSide.A, double? sigma = null) =>
        new NoraInitialization { Scale = scale, Side = side, Sigma = sigma };
}

/// <summary>Which factor <see cref="NoraInitialization"/> fills; the other is zero.</summary>
public enum NoraSide
{
    /// <summary>A gets a sketch of W's rows, as in the authors' code.</summary>
    A,

    /// <summary>B gets a sketch of W's columns, as in the paper's analysis of matrix factorisation.</summary>
    B,
}

/// <summary>
/// NoRA, LoRA with a Nyström initialisation (arXiv 2410.18965, ICLR 2025): A = scale · σ Ω W / s, [r, in], with
/// Ω ~ N(0, 1), [r, out]; B = 0, [out, r]. The product is zero and the base weight untouched: A's rows span where W's rows
/// live, at the cost of one product.
/// </summary>
/// <remarks>
/// Side A, the division by s and σ = 0.1 are the authors' code (BingcongLi/NoRA e622aa2, peft/src/peft/tuners/lora.py,
/// <c>sketchy_A_init</c>); their scripts set σ = 0.02, but 0.1 for llama2-nora+. That release assigns the tensor to an
/// attribute of a linear layer that has none of that name, so its own runs may have started from Kaiming's A.
/// <see cref="NoraSide.B"/> is the paper's factorisation, X₀ = M Ω and Y₀ = 0: B = scale · σ W Ω, Ω [in, r], with σ = 1/√r so
/// that E[B Bᵀ] = scale² · W Wᵀ, not divided by s; that is what version 0.1.0 had.
/// Not to be confused with <see cref="NloraInitialization"/>, which is another method. NoRA+ trains with the preconditioned
/// (Riemannian) gradient, an option of the optimiser. Cost: 2·out·in·r multiplications a layer.
/// </remarks>
public sealed record NoraInitialization : LoraInitialization
{
    private const double AuthorsSigma = 0.1;

    /// <summary>Factor on the sketch. Default 1.</summary>
    public double Scale { get; init => field = Setting.Positive(value); } = 1;

    /// <summary>The factor that is filled. Default A, as in the authors' code.</summary>
    public NoraSide Side { get; init => field = Setting.Defined(value); }

    /// <summary>σ, the deviation of Ω's numbers; null (the default) for 0.1 on side A and 1/√r on side B.</summary>
    public double? Sigma { get; init => field = Setting.Positive(value); }

    /// <inheritdoc/>
    public override string Name => "nora";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseUntouched;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights;

    internal override LoraInitialization Former => this with { Side = NoraSide.B };

    /// <inheritdoc/>
    public override AdapterFactor ZeroFactor => Side is NoraSide.A ? AdapterFactor.B : AdapterFactor.A;

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => Decompositions.Scoped(() =>
    [
        .. context.Targets.Select(target => Side is NoraSide.A ? OnA(context, target) : OnB(context, target)),
    ]);

    private InitializedAdapter OnA(InitializationContext context, AdapterTarget target)
    {
        var deviation = Scale * (Sigma ?? AuthorsSigma) / target.Scaling;
        var omega = RandomFactors.Normal(context, target, Name, target.Rank, target.OutFeatures, deviation);
        return new InitializedAdapter(omega.matmul(context.Weight(target)), RandomFactors.ZeroB(context, target));
    }

    private InitializedAdapter OnB(InitializationContext context, AdapterTarget target)
    {
        var deviation = Scale * (Sigma ?? 1 / Math.Sqrt(target.Rank));
        var omega = RandomFactors.Normal(context, target, Name, target.InFeatures, target.Rank, deviation);
        return new InitializedAdapter(RandomFactors.ZeroA(context, target), context.Weight(target).matmul(omega));
    }
}
