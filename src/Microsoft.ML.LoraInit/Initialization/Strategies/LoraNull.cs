using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Numerics;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>W as far as it reads what the inputs hardly ever hold. See <see cref="LoraNullInitialization"/>.</summary>
    /// <param name="freezeA">Whether A stays as it is (version 2 of the paper).</param>
    /// <param name="batchSize">Training rows a batch.</param>
    /// <param name="batches">Batches looked at.</param>
    public static LoraInitialization LoraNull(bool freezeA = false, int batchSize = 32, int batches = 8) =>
        new LoraNullInitialization { FreezeA = freezeA, BatchSize = batchSize, Batches = batches };
}

/// <summary>
/// LoRA-Null (arXiv 2503.02659, AAAI 2026; HungerPWAY/LoRA-Null): with U₀, [in, r], the eigenvectors of the r smallest
/// eigenvalues of the second moment C of the layer's inputs, and W U₀U₀ᵀ = U S Vᵀ, [out, in], of rank r, A = √(S/s) Vᵀ, [r, in],
/// and B = U √(S/s), [out, r]. The base becomes W − s·B·A = W (I − U₀U₀ᵀ): it keeps all that reads the inputs' own space, and
/// the model starts with its own function.
/// </summary>
/// <remarks>
/// As in the authors' code (1e6808a, LoRA_Null/adapterlib/decomposition.py and act_aware_utils.py), where each sample's inputs are
/// divided by |max X| before they are added up and there is no s; here S is divided by s, so that s·B·A is W U₀U₀ᵀ whatever
/// alpha is. Their second version trains B alone: <see cref="FreezeA"/>, so that changes stay within the space. They sample 256
/// rows of the knowledge to be kept (NQ open); here they are training rows. With fewer tokens than features U₀ is any r
/// directions that no token has. Cost: forward passes over the rows, an eigendecomposition of [in, in] a distinct input and an
/// SVD of [out, r] a layer, fp64.
/// </remarks>
public sealed record LoraNullInitialization : LoraInitialization
{
    /// <summary>Whether A is frozen, as in the authors' second version. Default false.</summary>
    public bool FreezeA { get; init; }

    /// <summary>Training rows a batch. Default 32.</summary>
    public int BatchSize { get; init => field = Setting.AtLeast(value, 1); } = 32;

    /// <summary>Batches. Default 8: 256 rows with the default batch, as many as the authors take.</summary>
    public int Batches { get; init => field = Setting.AtLeast(value, 1); } = 8;

    /// <inheritdoc/>
    public override string Name => "lora-null";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights | InitializationNeeds.Activations;

    /// <inheritdoc/>
    public override string? PreconditioningObstacle => FreezeA ? "A is frozen, and the preconditioner is for two trained factors" : null;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context)
    {
        using var moments = InputMoments.Gather(context, BatchSize, Batches, MomentForm.NormalizedSamples);
        return Decompositions.Scoped(() =>
        {
            var vectors = new Dictionary<string, Tensor>();
            return [.. context.Targets.Select((target, i) =>
            {
                context.Report("Directions that the inputs do not have", i, context.Targets.Count);
                if (!vectors.TryGetValue(moments.InputName(target), out var found))
                    vectors[moments.InputName(target)] = found = Linalg.Eigh(moments.Of(target)).Vectors; // ascending
                return Factors(context, target, found.narrow(1, 0, target.Rank));
            })];
        });
    }

    private InitializedAdapter Factors(InitializationContext context, AdapterTarget target, Tensor quiet)
    {
        // The triplets of W U₀U₀ᵀ are those of W U₀ [out, r], their right vectors turned by U₀.
        var (u, s, vh) = Linalg.Svd(context.Weight(target).to(ScalarType.Float64).matmul(quiet), false);
        var (a, b) = new SingularTriplets(u, s, vh.matmul(quiet.t())).Split(target.Scaling);
        return new InitializedAdapter(a, b) { SubtractFromBase = true, FreezeA = FreezeA };
    }
}
