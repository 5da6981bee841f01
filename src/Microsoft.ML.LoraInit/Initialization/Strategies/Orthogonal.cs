using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>Both factors non-zero with a product of zero. See <see cref="OrthogonalInitialization"/>.</summary>
    public static LoraInitialization Orthogonal() => new OrthogonalInitialization();
}

/// <summary>
/// PEFT's <c>init_lora_weights="orthogonal"</c> (huggingface/peft): with a random orthogonal Q [r, r],
/// A = (X Q₀)ᵀ/10, [r, in], and B = (Y Q₁)/10, [out, r], where Q₀ and Q₁ are Q's even and odd rows and X [in, r/2] and
/// Y [out, r/2] are standard normal. As Q₁ Q₀ᵀ = 0, B·A = 0 although both factors are alive from the first step.
/// The base weight is untouched.
/// </summary>
/// <remarks>
/// The rank must be even. The factor 1/10 is PEFT's. Products are taken in fp64, so that B·A vanishes to fp32's rounding.
/// Cost: two draws and one QR of [r, r] a layer. No settings.
/// </remarks>
public sealed record OrthogonalInitialization : LoraInitialization
{
    private const double Scale = 0.1;

    /// <inheritdoc/>
    public override string Name => "orthogonal";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseUntouched;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target)
    {
        if (target.Rank % 2 != 0)
            throw new ArgumentException($"The initialisation '{Name}' needs an even rank: it gives half of the directions to A and half to B. '{target.ModuleName}' has rank {target.Rank}.");
    }

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
        [.. context.Targets.Select(target => Factors(context, target))];

    private InitializedAdapter Factors(InitializationContext context, AdapterTarget target)
    {
        Validate(target);
        using var scope = NewDisposeScope();
        Tensor Draw(string purpose, long rows, long columns) =>
            RandomFactors.Normal(context, target, $"{Name}/{purpose}", rows, columns, 1).to(ScalarType.Float64);

        var half = target.Rank / 2;
        var rows = Linalg.Qr(Draw("Q", target.Rank, target.Rank)).Q.view(half, 2, target.Rank);
        var a = Draw("A", target.InFeatures, half).matmul(rows.select(1, 0)).t().Mul(Scale);
        var b = Draw("B", target.OutFeatures, half).matmul(rows.select(1, 1)).Mul(Scale);
        return new InitializedAdapter(
            a.to(ScalarType.Float32).contiguous().MoveToOuterDisposeScope(),
            b.to(ScalarType.Float32).contiguous().MoveToOuterDisposeScope());
    }
}
