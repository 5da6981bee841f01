using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>Three factors from slices of W. See <see cref="NloraInitialization"/>.</summary>
    /// <param name="trainOnlyN">Whether A and B stay as they are (IntTune).</param>
    /// <param name="pseudoInverse">Whether N is the pseudo-inverse of its slice, as in Nyström's formula.</param>
    public static LoraInitialization Nlora(bool trainOnlyN = false, bool pseudoInverse = false) =>
        new NloraInitialization { TrainOnlyN = trainOnlyN, PseudoInverse = pseudoInverse };
}

/// <summary>
/// NLoRA (arXiv 2502.14482, EMNLP 2025 Findings; TracyGuo2001/NLoRA): three matrices, ΔW = s·B·N·A with A = W[:r, :],
/// [r, in], N = W[:r, :r], [r, r], and B = W[:, :r], [out, r]. The base weight stays, so the model's function changes by
/// s·B·N·A at the start.
/// </summary>
/// <remarks>
/// Nyström's approximation of W is B·N⁺·A with the pseudo-inverse of the core; the authors' code leaves the inverse out
/// (it is commented away in one place and absent in the other), and so does the default here. <see cref="PseudoInverse"/>
/// gives the paper's formula: B·N⁺·A then approximates W itself and the start is far from the pre-trained function.
/// <see cref="TrainOnlyN"/> is the paper's IntTune: r² trained numbers a layer.
/// Cost: three copies a layer (and an SVD of [r, r] for the pseudo-inverse).
/// </remarks>
public sealed record NloraInitialization : LoraInitialization
{
    // What an fp32 weight of a low rank has below its rank is rounding, which an inverse would blow up.
    private const double WeightRounding = 1.2e-7;

    /// <summary>Whether only N is trained (IntTune). Default false.</summary>
    public bool TrainOnlyN { get; init; }

    /// <summary>Whether N is the pseudo-inverse of W[:r, :r]. Default false, as in the authors' code.</summary>
    public bool PseudoInverse { get; init; }

    /// <inheritdoc/>
    public override string Name => "nlora";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.ChangesFunction;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights;

    /// <inheritdoc/>
    public override string? PreconditioningObstacle => "its product has three factors, and the preconditioner is for two";

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => Decompositions.Scoped(() =>
    [
        .. context.Targets.Select(target =>
        {
            var w = context.Weight(target);
            var rows = w.narrow(0, 0, target.Rank);
            var core = rows.narrow(1, 0, target.Rank);
            return new InitializedAdapter(rows.clone(), w.narrow(1, 0, target.Rank).clone())
            {
                N = PseudoInverse ? Linalg.Pinv(core.to(ScalarType.Float64), WeightRounding * target.Rank).to(ScalarType.Float32) : core.clone(),
                FreezeA = TrainOnlyN,
                FreezeB = TrainOnlyN,
            };
        }),
    ]);
}
