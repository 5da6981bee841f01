using Microsoft.ML.LoraInit.Initialization.Strategies;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>Both factors normal, the base corrected. See <see cref="IniLoraAlphaInitialization"/>.</summary>
    /// <param name="deviation">The deviation of both factors' numbers.</param>
    public static LoraInitialization IniLoraAlpha(double deviation = 0.5) => new IniLoraAlphaInitialization { Deviation = deviation };
}

/// <summary>
/// IniLoRA-α (arXiv 2510.03731): A [r, in] and B [out, r] ~ N(0, 0.5²); the base becomes W − s·B·A, so that the model
/// starts with its own function and with large factors. Cost: two draws and one product a layer.
/// </summary>
/// <remarks>
/// Numbers of B·A have the deviation √r·0.25, far above a weight's: the sum (W − s·B·A) + s·B·A keeps W to about
/// 1e-7 of that in fp32, and a base held in bf16 would lose W. The paper trains it with alpha = r.
/// </remarks>
public sealed record IniLoraAlphaInitialization : LoraInitialization
{
    /// <summary>σ of both factors. Default 0.5, the paper's.</summary>
    public double Deviation { get; init => field = Setting.Positive(value); } = 0.5;

    /// <inheritdoc/>
    public override string Name => "inilora-alpha";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
    [
        .. context.Targets.Select(target => new InitializedAdapter(
            RandomFactors.NormalA(context, target, Name, Deviation),
            RandomFactors.NormalB(context, target, Name, Deviation))
        {
            SubtractFromBase = true,
        }),
    ];
}
