using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Numerics;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>Directions from a short run at a higher rank. See <see cref="HrpInitialization"/>.</summary>
    /// <param name="rank">The preheating rank.</param>
    /// <param name="steps">The preheating steps.</param>
    /// <param name="learningRate">The preheating's learning rate.</param>
    /// <param name="batchSize">Training rows a preheating step.</param>
    /// <param name="side">Which factor gets the directions.</param>
    /// <param name="alpha">The preheating's numerator of its scaling; null keeps the first layer's s.</param>
    /// <param name="scale">Factor on the norm that a random factor would have.</param>
    public static LoraInitialization Hrp(
        int rank = 64, int steps = 100, double learningRate = 1e-3, int batchSize = 32, HrpSide side = HrpSide.A, double? alpha = null, double scale = 1) => new HrpInitialization
        {
            Rank = rank,
            Steps = steps,
            LearningRate = learningRate,
            BatchSize = batchSize,
            Side = side,
            Alpha = alpha,
            Scale = scale,
        };
}

/// <summary>Which factor <see cref="HrpInitialization"/> fills; the other is zero.</summary>
public enum HrpSide
{
    /// <summary>A gets the right singular vectors.</summary>
    A,

    /// <summary>B gets the left singular vectors.</summary>
    B,
}

/// <summary>
/// HRP, high-rank preheating (arXiv 2502.07739): plain LoRA of a larger rank R is trained for some steps; the r leading
/// singular vectors of its product B_R A_R, [out, in], become the direction of the non-zero factor of a fresh start:
/// A = c V_rᵀ, [r, in], and B = 0, [out, r]. Head, optimiser and base are as before: the product is zero and the base
/// weight untouched.
/// </summary>
/// <remarks>
/// The paper shows that LoRA's result depends on the starting direction, and that the gain grows with R. Its text gives
/// the principle (the main singular vectors of the preheated product as initialisation, only the direction changed); its
/// rank, steps and scale were not to be had, so they are settings. c = <see cref="Scale"/>/√3 gives A's rows the norm
/// that <see cref="KaimingInitialization"/>'s have on average; with <see cref="HrpSide.B"/>, B = c U_r with the norm of
/// <see cref="InitBInitialization"/>'s columns, c = <see cref="Scale"/>·√(out/(3r)). R must be at most
/// min(out, in) of every layer. The SVD is of the factored product, [R, R]. Cost: the steps, which dominate.
/// </remarks>
public sealed record HrpInitialization : LoraInitialization
{
    /// <summary>R. Default 64. At least the layers' own rank.</summary>
    public int Rank { get; init => field = Setting.AtLeast(value, 1); } = 64;

    /// <summary>Preheating steps. Default 100.</summary>
    public int Steps { get; init => field = Setting.AtLeast(value, 1); } = 100;

    /// <summary>The preheating's learning rate. Default 1e-3.</summary>
    public double LearningRate { get; init => field = Setting.Positive(value); } = 1e-3;

    /// <summary>The preheating's numerator of the scaling alpha/R; null (the default) for the one that keeps the first layer's s.</summary>
    public double? Alpha { get; init => field = Setting.Positive(value); }

    /// <summary>Training rows a step. Default 32.</summary>
    public int BatchSize { get; init => field = Setting.AtLeast(value, 1); } = 32;

    /// <summary>The factor that is filled. Default A.</summary>
    public HrpSide Side { get; init => field = Setting.Defined(value); }

    /// <summary>Factor on the norm that a random factor would have. Default 1.</summary>
    public double Scale { get; init => field = Setting.Positive(value); } = 1;

    /// <inheritdoc/>
    public override string Name => "hrp";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseUntouched;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Training;

    /// <inheritdoc/>
    public override AdapterFactor ZeroFactor => Side is HrpSide.A ? AdapterFactor.B : AdapterFactor.A;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target)
    {
        if (Rank < target.Rank)
            throw new ArgumentException($"The initialisation '{Name}' preheats at rank {Rank}, below the rank {target.Rank} of '{target.ModuleName}'. Set its rank to {target.Rank} or more (hrp:rank=…).");
        Setting.RankFits(target, Name, Rank);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => Decompositions.Scoped(() =>
    {
        var alpha = Alpha ?? context.Targets[0].Scaling * Rank;
        var preheated = context.Preheat(Rank, alpha, Steps, LearningRate, BatchSize);
        return
        [
            .. context.Targets.Select((target, i) =>
            {
                context.Report("Directions of the preheated products", i, context.Targets.Count);
                var (a, b) = preheated[target.ModuleName];
                return Factors(context, target, ProductSvd.Leading(b, a, target.Rank));
            }),
        ];
    });

    private InitializedAdapter Factors(InitializationContext context, AdapterTarget target, SingularTriplets product) => Side is HrpSide.A
        ? new InitializedAdapter(product.Vh.Mul(Scale / Math.Sqrt(3)).to(ScalarType.Float32), RandomFactors.ZeroB(context, target))
        : new InitializedAdapter(
            RandomFactors.ZeroA(context, target),
            product.U.Mul(Scale * Math.Sqrt(target.OutFeatures / (3.0 * target.Rank))).to(ScalarType.Float32));
}
