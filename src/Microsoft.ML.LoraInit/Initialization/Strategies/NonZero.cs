using Microsoft.ML.LoraInit.Initialization.Strategies;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>Both factors random. See <see cref="NonZeroInitialization"/>.</summary>
    /// <param name="scaleA">3 × in × the variance of A.</param>
    /// <param name="scaleB">3 × in × the variance of B.</param>
    /// <param name="correctBase">Whether s·B·A is taken out of the base.</param>
    public static LoraInitialization NonZero(double scaleA = 1, double scaleB = 1, bool correctBase = false) =>
        new NonZeroInitialization { ScaleA = scaleA, ScaleB = scaleB, CorrectBase = correctBase };
}

/// <summary>
/// Init[AB] of "Beyond Zero Initialization" (arXiv 2505.23194, ICML 2025): A ~ U(±√(scaleA/in)), [r, in], and
/// B ~ U(±√(scaleB/in)), [out, r], so that neither factor waits for the other's first steps. By default the base weight
/// stays and the model starts with the small noise s·B·A, which the paper finds harmless and the factors more robust to
/// a low learning rate; <see cref="CorrectBase"/> takes the noise out: W − s·B·A.
/// </summary>
/// <remarks>
/// The bounds are those of the authors' code (Leopold1423/non_zero_lora-icml25, as restated in the LoRAFactory library):
/// in is the layer's input size for both factors. At scale 1 A is distributed as in <see cref="KaimingInitialization"/>.
/// The deviation of a number of B·A is √(r·scaleA·scaleB)/(3·in). Cost: two draws a layer.
/// </remarks>
public sealed record NonZeroInitialization : LoraInitialization
{
    /// <summary>A's bound is √(scaleA/in). Default 1.</summary>
    public double ScaleA { get; init => field = Setting.Positive(value); } = 1;

    /// <summary>B's bound is √(scaleB/in). Default 1.</summary>
    public double ScaleB { get; init => field = Setting.Positive(value); } = 1;

    /// <summary>Whether the base becomes W − s·B·A, so that the model starts with its own function. Default false, as the paper advises.</summary>
    public bool CorrectBase { get; init; }

    /// <inheritdoc/>
    public override string Name => "nonzero";

    /// <inheritdoc/>
    public override InitializationFamily Family => CorrectBase ? InitializationFamily.BaseCorrected : InitializationFamily.ChangesFunction;

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
    [
        .. context.Targets.Select(target => new InitializedAdapter(
            RandomFactors.UniformA(context, target, Name, Math.Sqrt(ScaleA / target.InFeatures)),
            RandomFactors.UniformB(context, target, Name, Math.Sqrt(ScaleB / target.InFeatures)))
        {
            SubtractFromBase = CorrectBase,
        }),
    ];
}
