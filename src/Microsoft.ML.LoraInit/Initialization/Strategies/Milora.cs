using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Numerics;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>The trailing singular triplets of W, or another segment of them. See <see cref="MiloraInitialization"/>.</summary>
    /// <param name="segment">Which triplets.</param>
    public static LoraInitialization Milora(MiloraSegment segment = MiloraSegment.Min) => new MiloraInitialization { Segment = segment };
}

/// <summary>Which r of W's k = min(out, in) singular triplets <see cref="MiloraInitialization"/> takes, largest first.</summary>
public enum MiloraSegment
{
    /// <summary>The last r: MiLoRA itself.</summary>
    Min,

    /// <summary>r from ⌊(k − r)/2⌋ on.</summary>
    Mid,

    /// <summary>The first r: PiSSA's.</summary>
    Max,

    /// <summary>r drawn without replacement.</summary>
    Random,
}

/// <summary>
/// MiLoRA (arXiv 2406.09044; sufenlp/MiLoRA): with W = U S Vᵀ, [out, in], and its r smallest triplets,
/// A = √(S/s) Vᵀ, [r, in], and B = U √(S/s), [out, r]. The base becomes W − s·B·A: it keeps the principal part as it is,
/// and training moves what pre-training used least.
/// </summary>
/// <remarks>
/// The smallest of the min(out, in) triplets of the reduced decomposition. The other segments are the paper's ablations, as the
/// authors' code takes them (sufenlp/MiLoRA 4740756, svd_init.py: min, mid, max, random). S is divided by s as for
/// <see cref="PissaInitialization"/>; the authors have alpha = r, where s = 1 and both forms agree. No randomised form:
/// sketches find leading triplets. Cost: one SVD of [out, in] a layer, fp64, batched by shape (one by one for random segments).
/// </remarks>
public sealed record MiloraInitialization : LoraInitialization
{
    /// <summary>Which triplets. Default the smallest.</summary>
    public MiloraSegment Segment { get; init => field = Setting.Defined(value); }

    /// <inheritdoc/>
    public override string Name => "milora";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => Decompositions.Scoped(() =>
        Decompositions.CorrectedFactors(context, Segment is MiloraSegment.Random
            ? [.. context.Targets.Select((target, i) => Drawn(context, target, i))]
            : Decompositions.Full(context, context.Weight, Range, "Singular values of the weights")));

    private Range Range(AdapterTarget target)
    {
        var first = (Math.Min(target.OutFeatures, target.InFeatures) - target.Rank) / 2;
        return Segment switch
        {
            MiloraSegment.Min => ^target.Rank..,
            MiloraSegment.Max => ..target.Rank,
            _ => first..(first + target.Rank),
        };
    }

    private SingularTriplets Drawn(InitializationContext context, AdapterTarget target, int index)
    {
        context.Report("Singular values of the weights", index, context.Targets.Count);
        using var scope = NewDisposeScope();
        using var random = context.Random(target, $"{Name}/segment");
        var (u, s, vh) = Linalg.Svd(context.Weight(target).to(ScalarType.Float64), false);
        var drawn = empty(s.shape[0]).uniform_(0, 1, random).argsort().narrow(0, 0, target.Rank).sort().Values.to(context.Device);
        return new SingularTriplets(u.index_select(1, drawn), s.index_select(0, drawn), vh.index_select(0, drawn)).CopyToOuterScope();
    }
}
