using Microsoft.ML.LoraInit.Initialization.Strategies;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>A normal with deviation 1/r, B zero. See <see cref="GaussianInitialization"/>.</summary>
    public static LoraInitialization Gaussian() => new GaussianInitialization();
}

/// <summary>
/// PEFT's <c>init_lora_weights="gaussian"</c> (huggingface/peft): A ~ N(0, (1/r)²), [r, in]; B = 0, [out, r].
/// The base weight is untouched. Cost: one draw a layer. No settings.
/// </summary>
public sealed record GaussianInitialization : LoraInitialization
{
    /// <inheritdoc/>
    public override string Name => "gaussian";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseUntouched;

    /// <inheritdoc/>
    public override AdapterFactor ZeroFactor => AdapterFactor.B;

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
    [
        .. context.Targets.Select(target => new InitializedAdapter(
            RandomFactors.NormalA(context, target, Name, 1.0 / target.Rank),
            RandomFactors.ZeroB(context, target))),
    ];
}
