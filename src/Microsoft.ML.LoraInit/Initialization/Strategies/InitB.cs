using Microsoft.ML.LoraInit.Initialization.Strategies;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>The other way round than LoRA's default: A zero, B random. See <see cref="InitBInitialization"/>.</summary>
    public static LoraInitialization InitB() => new InitBInitialization();
}

/// <summary>
/// Init[B] of arXiv 2406.08447 (NeurIPS 2024; nikhil-ghosh-berkeley/loraplus): A = 0, [r, in]; B ~ Kaiming-uniform with
/// a = √5 over its fan-in r, that is U(−1/√r, 1/√r), [out, r], so that its variance 1/(3r) stands to r as that of
/// Init[A] stands to in. The base weight is untouched.
/// </summary>
/// <remarks>
/// The paper finds it stable but slower to learn features than Init[A] (<see cref="KaimingInitialization"/>), which
/// bears larger learning rates. Cost: one draw a layer. No settings.
/// </remarks>
public sealed record InitBInitialization : LoraInitialization
{
    /// <inheritdoc/>
    public override string Name => "init-b";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseUntouched;

    /// <inheritdoc/>
    public override AdapterFactor ZeroFactor => AdapterFactor.A;

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
    [
        .. context.Targets.Select(target => new InitializedAdapter(
            RandomFactors.ZeroA(context, target),
            RandomFactors.UniformB(context, target, Name, 1.0 / Math.Sqrt(target.Rank)))),
    ];
}
