using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>Both factors from one of several distributions, the base corrected. See <see cref="IniLoraRandomInitialization"/>.</summary>
    /// <param name="distribution">The distribution.</param>
    public static LoraInitialization IniLoraRandom(IniLoraDistribution distribution = IniLoraDistribution.Uniform) =>
        new IniLoraRandomInitialization { Distribution = distribution };
}

/// <summary>The distributions of <see cref="IniLoraRandomInitialization"/>, those of IniLoRA's Figure 4.</summary>
public enum IniLoraDistribution
{
    /// <summary>U(−0.1, 0.1).</summary>
    Uniform,

    /// <summary>N(0, 0.01²).</summary>
    Normal,

    /// <summary>Orthonormal rows of A and columns of B, uniformly drawn.</summary>
    Orthogonal,

    /// <summary>N(0, 0.01²), with ⌈half⌉ of each column's numbers zero.</summary>
    Sparse,

    /// <summary>U(±√(6/(fan-in + fan-out))).</summary>
    XavierUniform,

    /// <summary>N(0, 2/(fan-in + fan-out)).</summary>
    XavierNormal,

    /// <summary>U(±√(6/fan-in)).</summary>
    KaimingUniform,

    /// <summary>N(0, 2/fan-in): <see cref="IniLoraBetaInitialization"/>.</summary>
    KaimingNormal,

    /// <summary>All numbers 0.001. The r directions are one, and stay one in training.</summary>
    Constant,
}

/// <summary>
/// The distributions that IniLoRA's authors compare (arXiv 2510.03731, Figure 4): A [r, in] and B [out, r] from one of them,
/// and the base becomes W − s·B·A, so that the model starts with its own function. In A the fan-in is in and the fan-out r, in
/// B r and out.
/// </summary>
/// <remarks>
/// Names and constants are those of the authors' code (hihi885/IniLoRA 0c0597a, peft/tuners/lora/layer.py, the
/// <c>sgdSvd_init</c> that is commented out), which calls torch.nn.init with its default arguments. Cost: two draws and one
/// product a layer.
/// </remarks>
public sealed record IniLoraRandomInitialization : LoraInitialization
{
    private const double Bound = 0.1;
    private const double Small = 0.01;
    private const double Value = 0.001;
    private const double Zeros = 0.5;

    /// <summary>The distribution. Default uniform.</summary>
    public IniLoraDistribution Distribution { get; init => field = Setting.Defined(value); }

    /// <inheritdoc/>
    public override string Name => "inilora-random";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target)
    {
        if (Distribution is IniLoraDistribution.Orthogonal)
            Setting.RankFits(target, Name);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => Decompositions.Scoped(() =>
    [
        .. context.Targets.Select(target => new InitializedAdapter(
            Draw(context, target, "A", target.Rank, target.InFeatures),
            Draw(context, target, "B", target.OutFeatures, target.Rank))
        {
            SubtractFromBase = true,
        }),
    ]);

    // The fan-in of a [rows, columns] weight is its columns.
    private Tensor Draw(InitializationContext context, AdapterTarget target, string factor, int rows, int columns)
    {
        var xavier = Math.Sqrt(2.0 / (rows + columns));
        var kaiming = Math.Sqrt(2.0 / columns);
        return Distribution switch
        {
            IniLoraDistribution.Uniform => Uniform(Bound),
            IniLoraDistribution.Normal => Normal(Small),
            IniLoraDistribution.Orthogonal => Orthonormal(Normal(1)),
            IniLoraDistribution.Sparse => Thinned(Normal(Small)),
            IniLoraDistribution.XavierUniform => Uniform(Math.Sqrt(3) * xavier),
            IniLoraDistribution.XavierNormal => Normal(xavier),
            IniLoraDistribution.KaimingUniform => Uniform(Math.Sqrt(3) * kaiming),
            IniLoraDistribution.KaimingNormal => Normal(kaiming),
            _ => Numbers.Full(rows, columns, Value, ScalarType.Float32, context.Device),
        };

        Tensor Uniform(double bound) => RandomFactors.Uniform(context, target, $"{Name}/{factor}", rows, columns, bound);
        Tensor Normal(double deviation) => RandomFactors.Normal(context, target, $"{Name}/{factor}", rows, columns, deviation);

        Tensor Thinned(Tensor values)
        {
            using var random = context.Random(target, $"{Name}/{factor}/zeros");
            var order = empty(rows, columns).uniform_(0, 1, random).argsort(0).argsort(0).to(context.Device);
            return values * order.Ge((long)Math.Ceiling(Zeros * rows)).to(ScalarType.Float32);
        }
    }

    /// <summary>Q of a QR, its signs so that the draw is uniform (torch.nn.init.orthogonal_).</summary>
    private static Tensor Orthonormal(Tensor normal)
    {
        var wide = normal.shape[0] < normal.shape[1];
        var (q, r) = Linalg.Qr((wide ? normal.t() : normal).to(ScalarType.Float64));
        var signed = q * r.diagonal(0, 0, 1).sign();
        return (wide ? signed.t() : signed).to(ScalarType.Float32).contiguous();
    }
}
