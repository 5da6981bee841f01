using Microsoft.ML.LoraInit.Initialization.Strategies;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>Both factors Kaiming-distributed, the base corrected. See <see cref="IniLoraBetaInitialization"/>.</summary>
    /// <param name="distribution">Normal (K-N) or uniform (K-U).</param>
    public static LoraInitialization IniLoraBeta(KaimingDistribution distribution = KaimingDistribution.Normal) =>
        new IniLoraBetaInitialization { Distribution = distribution };
}

/// <summary>The two forms of Kaiming's initialisation (arXiv 1502.01852).</summary>
public enum KaimingDistribution
{
    /// <summary>N(0, 2/fan-in).</summary>
    Normal,

    /// <summary>U(−√(6/fan-in), √(6/fan-in)): the same variance.</summary>
    Uniform,
}

/// <summary>
/// IniLoRA-β (arXiv 2510.03731): A [r, in] and B [out, r] by Kaiming's rule with PyTorch's default arguments (fan-in,
/// gain √2): variance 2/in for A and 2/r for B, normal (K-N) or uniform (K-U); the base becomes W − s·B·A, so that the
/// model starts with its own function. Cost: two draws and one product a layer.
/// </summary>
/// <remarks>The authors' code (xueyongfu11/IniLoRA) has the normal form, the paper both: hence the option.</remarks>
public sealed record IniLoraBetaInitialization : LoraInitialization
{
    /// <summary>Normal (the default) or uniform.</summary>
    public KaimingDistribution Distribution { get; init => field = Setting.Defined(value); }

    /// <inheritdoc/>
    public override string Name => "inilora-beta";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
    [
        .. context.Targets.Select(target =>
        {
            var (deviationA, deviationB) = (Math.Sqrt(2.0 / target.InFeatures), Math.Sqrt(2.0 / target.Rank));
            var (a, b) = Distribution is KaimingDistribution.Normal
                ? (RandomFactors.NormalA(context, target, Name, deviationA), RandomFactors.NormalB(context, target, Name, deviationB))
                : (RandomFactors.UniformA(context, target, Name, Math.Sqrt(3) * deviationA), RandomFactors.UniformB(context, target, Name, Math.Sqrt(3) * deviationB));
            return new InitializedAdapter(a, b) { SubtractFromBase = true };
        }),
    ];
}
