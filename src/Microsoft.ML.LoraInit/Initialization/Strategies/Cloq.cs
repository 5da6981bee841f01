using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using Microsoft.ML.LoraInit.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>A base in NF4 with what it costs the outputs in the factors. See <see cref="CloqInitialization"/>.</summary>
    /// <param name="doubleQuantization">Whether the blocks' scales are in 8 bits too.</param>
    /// <param name="batchSize">Training rows a batch.</param>
    /// <param name="batches">Batches looked at.</param>
    public static LoraInitialization Cloq(bool doubleQuantization = false, int batchSize = 32, int batches = 8) =>
        new CloqInitialization { DoubleQuantization = doubleQuantization, BatchSize = batchSize, Batches = batches };
}

/// <summary>
/// CLoQ (arXiv 2501.18475): with Q = NF4(W), [out, in], and C = RᵀR the second moment of the layer's inputs X, the closed-form
/// least of ‖X (W − Q − s·B·A)ᵀ‖ in rank r: with (W − Q) Rᵀ = U S Vᵀ, [out, in], B = U_r, [out, r], and A = S_r V_rᵀ R⁻ᵀ/s,
/// [r, in]. The base is replaced by Q's levels: what <see cref="LoftqInitialization"/> does to the weights' error, this does to
/// the outputs'.
/// </summary>
/// <remarks>
/// Of the paper its abstract was to be had, of code another's of the closed form (<c>cloq_init</c>: C damped by
/// 0.01·tr(C)/in, the singular values on A's side), which this follows; that split of the product into A and B cannot be
/// verified. The paper quantises by OPTQ after a step of its own, down to 2 bits; here it is NF4, each number to its nearest
/// level, as for LoftQ. A is divided by s, so that s·B·A is the correction whatever alpha is. R = C^½, the symmetric root; any
/// other gives the same A and B but for signs. The function changes by what rank r cannot mend.
/// Cost: forward passes over the rows, an eigendecomposition of [in, in] a distinct input and a quantisation and an SVD of
/// [out, in] a layer, fp64.
/// </remarks>
public sealed record CloqInitialization : LoraInitialization
{
    /// <summary>Share of mean(diag C) that is added to C's diagonal. Default 0.01.</summary>
    public double Damping { get; init => field = Setting.Positive(value); } = 0.01;

    /// <summary>Whether the scales of NF4's blocks are themselves in 8 bits, as in QLoRA. Default false.</summary>
    public bool DoubleQuantization { get; init; }

    /// <summary>Training rows a batch. Default 32.</summary>
    public int BatchSize { get; init => field = Setting.AtLeast(value, 1); } = 32;

    /// <summary>Batches. Default 8: 256 rows with the default batch.</summary>
    public int Batches { get; init => field = Setting.AtLeast(value, 1); } = 8;

    /// <inheritdoc/>
    public override string Name => "cloq";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.ChangesFunction;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights | InitializationNeeds.Activations;

    /// <inheritdoc/>
    public override bool ReplacesBase => true;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context)
    {
        using var moments = InputMoments.Gather(context, BatchSize, Batches, MomentForm.Tokens);
        return Decompositions.Scoped(() =>
        {
            var roots = new Dictionary<string, (Tensor Root, Tensor Inverse)>();
            foreach (var target in context.Targets)
            {
                if (!roots.ContainsKey(moments.InputName(target)))
                    roots[moments.InputName(target)] = Roots(moments.Of(target));
            }
            var bases = context.Targets.ToDictionary(t => t.ModuleName, t => Nf4.RoundTrip(context.OriginalWeight(t), DoubleQuantization));
            var triplets = Decompositions.Full(
                context,
                t => (context.OriginalWeight(t) - bases[t.ModuleName]).to(ScalarType.Float64).matmul(roots[moments.InputName(t)].Root),
                t => ..t.Rank,
                "Quantisation error as the inputs see it");
            return
            [
                .. context.Targets.Zip(triplets, (target, found) => new InitializedAdapter(
                    (found.S.unsqueeze(1) * found.Vh).matmul(roots[moments.InputName(target)].Inverse).Div(target.Scaling).to(ScalarType.Float32),
                    found.U.to(ScalarType.Float32))
                {
                    ReplacementBase = bases[target.ModuleName],
                }),
            ];
        });
    }

    /// <summary>C^½ and C^−½ of the damped moment.</summary>
    private (Tensor Root, Tensor Inverse) Roots(Tensor moment)
    {
        using var scope = NewDisposeScope();
        var (values, vectors) = Linalg.Eigh(moment);
        var damped = values.ClampMin(0).Add(moment.diagonal(0, 0, 1).mean().Mul(Damping)).ClampMin(1e-300).sqrt();
        return ((vectors * damped).matmul(vectors.t()).MoveToOuterDisposeScope(), (vectors / damped).matmul(vectors.t()).MoveToOuterDisposeScope());
    }
}
