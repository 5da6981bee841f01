using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>Sines of W's magnitude, without looking at W's directions. See <see cref="LoramInitialization"/>.</summary>
    /// <param name="absorbScaling">Whether the factors are divided by √s.</param>
    public static LoraInitialization Loram(bool absorbScaling = true) => new LoramInitialization { AbsorbScaling = absorbScaling };
}

/// <summary>
/// LoRAM (arXiv 2507.06558, NeurIPS 2025): with Φ_n the first r columns of the discrete sine transform of n points,
/// Φ_n[i, j] = √(2/(n+1)) sin((i+1)(j+1)π/(n+1)), A = β Φ_inᵀ, [r, in], and B = β Φ_out, [out, r]. The base becomes W − s·B·A, so
/// that the model starts with its own function. β⁴ = log_k(r) · ν(W)/ν(Φ_out Φ_inᵀ), k = min(out, in), ν the mean square: the
/// product has the share log_k(r) of W's energy, an estimate of what the r leading triplets have, and W's directions have no
/// part in it. So it is the control for <see cref="PissaInitialization"/>.
/// </summary>
/// <remarks>
/// Equations 11 and 12 and algorithm 1 of the paper, read in its text; the authors' code was not to be had. The paper fixes
/// alpha = r (s = 1); here the factors are divided by √s each, so that s·B·A is the product above whatever alpha is, as
/// <see cref="PissaInitialization"/> has it. <see cref="AbsorbScaling"/> = false leaves them, for the paper's advice to raise s
/// (rsLoRA). At r = 1 the logarithm is zero: refused. Nothing is drawn: layers of one shape get the same directions.
/// Cost: two sine tables and the sum of W's squares a layer.
/// </remarks>
public sealed record LoramInitialization : LoraInitialization
{
    /// <summary>Whether the factors are divided by √s. Default true.</summary>
    public bool AbsorbScaling { get; init; } = true;

    /// <inheritdoc/>
    public override string Name => "loram";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target)
    {
        if (target.Rank < 2)
            throw new ArgumentException($"The initialisation '{Name}' needs a rank of at least 2: its factors have the size log(r), and at rank 1 both would be zero and stay so. '{target.ModuleName}' has rank {target.Rank}.");
        Setting.RankFits(target, Name);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
        Decompositions.Scoped(() => [.. context.Targets.Select(target => Factors(context, target))]);

    private InitializedAdapter Factors(InitializationContext context, AdapterTarget target)
    {
        Validate(target);
        var (m, n, r) = (target.OutFeatures, target.InFeatures, target.Rank);
        var energy = context.Weight(target).to(ScalarType.Float64).Square().mean().item<double>();
        // The columns are orthonormal, so that ‖Φ_out Φ_inᵀ‖² = r.
        var beta = Math.Pow(Math.Log(r) / Math.Log(Math.Min(m, n)) * energy * m * n / r, 0.25);
        if (AbsorbScaling)
            beta /= Math.Sqrt(target.Scaling);
        return new InitializedAdapter(
            Sines(n, r, context.Device).t().Mul(beta).to(ScalarType.Float32).contiguous(),
            Sines(m, r, context.Device).Mul(beta).to(ScalarType.Float32))
        {
            SubtractFromBase = true,
        };
    }

    /// <summary>[n, r], orthonormal columns.</summary>
    private static Tensor Sines(int n, int r, Device device)
    {
        var rows = Numbers.Arange(1, n + 1, ScalarType.Float64, device).unsqueeze(1);
        var columns = Numbers.Arange(1, r + 1, ScalarType.Float64, device).unsqueeze(0);
        return (rows * columns).Mul(Math.PI / (n + 1)).sin().Mul(Math.Sqrt(2.0 / (n + 1)));
    }
}
