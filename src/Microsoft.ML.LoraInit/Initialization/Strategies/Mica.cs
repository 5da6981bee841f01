using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>The trailing left singular vectors of W in a frozen B. See <see cref="MicaInitialization"/>.</summary>
    public static LoraInitialization Mica() => new MicaInitialization();
}

/// <summary>
/// MiCA (arXiv 2604.01694; huggingface/peft): with W = U S Vᵀ, [out, in], B = the last r columns of U, [out, r],
/// orthonormal and frozen; A = 0, [r, in], trained alone. The base weight is untouched and the product is zero: the
/// change of W stays within its minor output directions, at half of LoRA's trained numbers.
/// </summary>
/// <remarks>
/// The last of the min(out, in) columns of the reduced decomposition, as in PEFT. Cost: one SVD of [out, in] a layer,
/// fp64, batched by shape. No settings.
/// </remarks>
public sealed record MicaInitialization : LoraInitialization
{
    /// <inheritdoc/>
    public override string Name => "mica";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseUntouched;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights;

    /// <inheritdoc/>
    public override AdapterFactor ZeroFactor => AdapterFactor.A;

    /// <inheritdoc/>
    public override string? PreconditioningObstacle => "B is frozen, and the preconditioner is for two trained factors";

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => Decompositions.Scoped(() =>
    [
        .. context.Targets.Zip(
            Decompositions.Full(context, context.Weight, target => ^target.Rank.., "Singular values of the weights"),
            (target, found) => new InitializedAdapter(RandomFactors.ZeroA(context, target), found.U.to(ScalarType.Float32)) { FreezeB = true }),
    ]);
}
