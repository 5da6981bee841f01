using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>W's singular triplets as the training inputs see them. See <see cref="CordaInitialization"/>.</summary>
    /// <param name="mode">Learn the task's directions, or keep what is known.</param>
    /// <param name="batchSize">Training rows a batch.</param>
    /// <param name="batches">Batches looked at.</param>
    public static LoraInitialization Corda(CordaMode mode = CordaMode.Ipm, int batchSize = 32, int batches = 8) =>
        new CordaInitialization { Mode = mode, BatchSize = batchSize, Batches = batches };
}

/// <summary>The two modes of <see cref="CordaInitialization"/>.</summary>
public enum CordaMode
{
    /// <summary>Instruction-previewed: the leading triplets, those that the training inputs use most, are trained.</summary>
    Ipm,

    /// <summary>Knowledge-preserved: the trailing triplets are trained, and what the inputs use most stays in the base.</summary>
    Kpm,
}

/// <summary>What the second moment of <see cref="CordaInitialization"/> is divided by.</summary>
public enum CordaDivisor
{
    /// <summary>The number of samples (rows of text), as in PEFT and the authors' code.</summary>
    Samples,

    /// <summary>The number of tokens.</summary>
    Tokens,
}

/// <summary>
/// CorDA (arXiv 2406.05223, NeurIPS 2024; iboing/CorDA, huggingface/peft): with C, [in, in], the second moment of the layer's
/// inputs, and U S Vᵀ = W C, [out, in], the layer is W = U S (Vᵀ C⁻¹). A = √(S_r/s) V_rᵀ C⁻¹, [r, in], and
/// B = U_r √(S_r/s), [out, r], from the first (ipm) or the last (kpm) r triplets. The base becomes W − s·B·A, so that the
/// model starts with its own function.
/// </summary>
/// <remarks>
/// C is PEFT's and the authors' (huggingface/peft 5d602fd, tuners/lora/corda.py): the sum of XᵀX over samples (rows of text),
/// each divided by |max X| before, over the number of samples; then c·mean(diag C) is added to the diagonal, c = 0.01, doubled
/// until ‖C·C⁻¹ − I‖ &lt; 0.05. S is divided by s as in PEFT. The paper has the plain C: <see cref="Normalize"/> = false,
/// <see cref="Divisor"/> = tokens (the tokens of all samples, so that C is a mean) and <see cref="Damping"/> = 0, which damps only
/// where C cannot be inverted well (fewer tokens than features, or features that never move); that is what version 0.1.0 had.
/// B·A depends on neither the scale of C nor, but for some 0.1 %, on the damping; its split into A and B depends on the scale:
/// with T tokens a sample A is √T times smaller and B √T times larger over samples than over tokens.
/// 256 rows are the authors' sample.
/// Cost: forward passes over the rows, an inverse of [in, in] and an SVD of [out, in] a layer, fp64.
/// </remarks>
public sealed record CordaInitialization : LoraInitialization
{
    private const double LargestError = 0.05;
    private const double SmallestDamping = 0.01;

    /// <summary>Ipm (the default, as in PEFT) or kpm. With kpm the paper samples rows of the knowledge to be kept; here they are training rows.</summary>
    public CordaMode Mode { get; init => field = Setting.Defined(value); }

    /// <summary>Training rows a batch. Default 32.</summary>
    public int BatchSize { get; init => field = Setting.AtLeast(value, 1); } = 32;

    /// <summary>Batches. Default 8: 256 rows with the default batch.</summary>
    public int Batches { get; init => field = Setting.AtLeast(value, 1); } = 8;

    /// <summary>The first share of mean(diag C) that is added to C's diagonal. Default 0.01, as in PEFT and the authors' code; 0 adds only where it must.</summary>
    public double Damping { get; init => field = Setting.Between(value, 0, 1); } = 0.01;

    /// <summary>
    /// Whether each sample is divided by |max X|, as in PEFT and the authors' code. Default true. With <see cref="CordaDivisor.Tokens"/>
    /// it is each batch, by its largest size, as in version 0.1.0.
    /// </summary>
    public bool Normalize { get; init; } = true;

    /// <summary>What the sum over samples is divided by. Default their number, as in PEFT and the authors' code.</summary>
    public CordaDivisor Divisor { get; init => field = Setting.Defined(value); }

    /// <inheritdoc/>
    public override string Name => "corda";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights | InitializationNeeds.Activations;

    internal override LoraInitialization Former => this with { Divisor = CordaDivisor.Tokens };

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context)
    {
        using var moments = InputMoments.Gather(context, BatchSize, Batches, Divisor switch
        {
            CordaDivisor.Samples => Normalize ? MomentForm.NormalizedSamples : MomentForm.Samples,
            _ => Normalize ? MomentForm.NormalizedBatchesOverTokens : MomentForm.Tokens,
        });
        return Decompositions.Scoped(() =>
        {
            var damped = new Dictionary<string, (Tensor C, Tensor Inverse)>();
            foreach (var target in context.Targets)
            {
                if (!damped.ContainsKey(moments.InputName(target)))
                    damped[moments.InputName(target)] = Damped(moments.Of(target), target);
            }
            var triplets = Decompositions.Full(
                context,
                t => context.Weight(t).to(ScalarType.Float64).matmul(damped[moments.InputName(t)].C),
                t => Mode is CordaMode.Ipm ? ..t.Rank : ^t.Rank..,
                "Singular values of weights times input moments");
            return Decompositions.CorrectedFactors(context,
            [
                .. context.Targets.Zip(triplets, (t, found) => found with { Vh = found.Vh.matmul(damped[moments.InputName(t)].Inverse) }),
            ]);
        });
    }

    private (Tensor C, Tensor Inverse) Damped(Tensor moment, AdapterTarget target)
    {
        using var scope = NewDisposeScope();
        var identity = eye(moment.shape[0], moment.shape[0], ScalarType.Float64, moment.device);
        var mean = moment.diagonal(0, 0, 1).mean();
        if (mean.item<double>() <= 0)
            throw new InvalidOperationException($"The inputs of '{target.ModuleName}' are all zero on the training rows, so CorDA has nothing to orient by.");
        var (values, vectors) = Linalg.Eigh(moment);
        for (double damping = Damping; ; damping = Math.Max(SmallestDamping, 2 * damping))
        {
            var c = moment.Add(identity * mean.Mul(damping));
            var inverse = (vectors / values.Add(mean.Mul(damping)).ClampMin(1e-300)).matmul(vectors.t());
            if (linalg.norm(c.matmul(inverse) - identity).item<double>() < LargestError)
                return (c.MoveToOuterDisposeScope(), inverse.MoveToOuterDisposeScope());
            if (damping > 1e18)
                throw new InvalidOperationException($"The second moment of the inputs of '{target.ModuleName}' cannot be inverted; it may hold NaN or infinite numbers.");
        }
    }
}
