using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Numerics;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>
/// A trained model as plain LoRA over the untouched base, whatever its adapters started from:
/// <list type="bullet">
/// <item>base untouched: A and B as they are; three matrices: B·N and A;</item>
/// <item>base corrected to W − s·B₀·A₀: A′ = [A − A₀; A], B′ = [B₀, B − B₀], of twice the rank at the same s. The product is that
/// of [A; A₀] and [B, −B₀], which huggingface/peft writes for PiSSA and OLoRA, without two large terms that cancel where a reader
/// computes in half precision; with DoRA the magnitude stays, since the direction is the same matrix;</item>
/// <item>base replaced by Q (LoftQ): ΔW = Q + s·B·A − W has full rank, so only a truncated SVD of it can be given, and
/// only on request.</item>
/// </list>
/// Over a base in 4 bits, "the base" is the quantised one, as with every QLoRA adapter: exact there, and over the unquantised base
/// off by NF4's error.
/// A rank asked for truncates the singular values of each product (QR of both factors and a small SVD, in fp64).
/// </summary>
internal static class PlainLoraConversion
{
    /// <param name="state">The trained model.</param>
    /// <param name="baseWeight">The untouched weight [out, in] of a module, in fp32 on the CPU; asked for only where it is needed.</param>
    /// <param name="rank">The highest rank wanted, or null for that of the exact form.</param>
    /// <returns>One adapter a layer, in the model's order; the tensors belong to the caller's dispose scope.</returns>
    /// <exception cref="NotSupportedException">The model is not one of low-rank adapters, or has no exact form and no rank is given.</exception>
    public static IReadOnlyList<PlainAdapter> Convert(FineTunedState state, Func<string, Tensor> baseWeight, int? rank = null)
    {
        if (rank < 1)
            throw new ArgumentOutOfRangeException(nameof(rank), rank, "The rank of the converted adapter must be at least 1.");
        if (state.Adapters.Count == 0)
            throw new NotSupportedException($"The model was trained by the method '{state.Method.Name}' and has no low-rank adapters, so there is no LoRA adapter to write. " + (state.HasBottlenecks
                ? "Bottlenecks are part of neither PEFT's LoRA nor a plain RoBERTa; keep the model as an .mlnet file, or write it as an ONNX model."
                : "Write the merged model instead."));
        using var noGrad = no_grad();
        return [.. state.Adapters.Select(a => Convert(a, state.Tensors, baseWeight, rank))];
    }

    /// <summary>‖lost‖ / ‖ΔW‖ over all layers; 0 where nothing was left out.</summary>
    public static double RelativeError(IEnumerable<PlainAdapter> adapters)
    {
        var compressed = adapters.ToArray();
        double lost = compressed.Sum(a => a.Lost * a.Lost), norm = compressed.Sum(a => a.Norm * a.Norm);
        return lost == 0 ? 0 : Math.Sqrt(lost / norm);
    }

    private static PlainAdapter Convert(StoredAdapter stored, IReadOnlyDictionary<string, Tensor> tensors, Func<string, Tensor> baseWeight, int? rank)
    {
        using var scope = NewDisposeScope();
        var (target, kind) = (stored.Target, stored.Kind);
        var magnitude = kind.Magnitude(Part);
        var replacement = stored.Description.Correction == AdapterDescription.CorrectionKind.Replaced ? tensors[target.ModuleName + BaseCorrection.Names.Replacement] : null;
        var factors = kind.Factors(target, Part);
        var adapter = factors is null ? FullRank(stored, tensors, baseWeight, rank)
            : replacement is not null ? Approximate(new(WithRank(target, (int)factors.A.shape[0]), factors.A, factors.B, magnitude) { TrainedRank = target.Rank }, replacement, baseWeight, rank)
            : Shrink(Exact(stored, factors, tensors, magnitude), baseWeight, rank);
        return adapter with
        {
            A = Keep(adapter.A),
            B = Keep(adapter.B),
            Magnitude = adapter.Magnitude is null ? null : Keep(adapter.Magnitude),
        };

        Tensor Part(string suffix) => tensors[target.ModuleName + suffix];

        static Tensor Keep(Tensor value) => value.to(ScalarType.Float32).contiguous().clone().MoveToOuterDisposeScope();
    }

    private static PlainAdapter Exact(StoredAdapter stored, AdapterFactors factors, IReadOnlyDictionary<string, Tensor> tensors, Tensor? magnitude)
    {
        var (target, a, b) = (stored.Target, factors.A, factors.B);
        if (stored.Description.Correction == AdapterDescription.CorrectionKind.Subtracted)
        {
            var (a0, b0) = (tensors[target.ModuleName + BaseCorrection.Names.InitialA], tensors[target.ModuleName + BaseCorrection.Names.InitialB]);
            if (stored.Kind.HasMiddle)
                b0 = b0.matmul(tensors[target.ModuleName + BaseCorrection.Names.InitialN]);
            (a, b) = (cat([a - a0, a], 0), cat([b0, b - b0], 1));
        }
        return new(WithRank(target, (int)a.shape[0]), a, b, magnitude) { TrainedRank = target.Rank };
    }

    /// <summary>The nearest product to a change that is none of low rank.</summary>
    private static PlainAdapter FullRank(StoredAdapter stored, IReadOnlyDictionary<string, Tensor> tensors, Func<string, Tensor> baseWeight, int? rank)
    {
        var target = stored.Target;
        if (rank is null)
            throw new NotSupportedException($"What the kind '{stored.Kind.Name}' adds to '{target.ModuleName}' is no product of low rank, so no LoRA is exactly the model. Ask for a rank to get the nearest adapter of that rank with its error stated, or write the merged model.");
        var weight = baseWeight(target.ModuleName).to(ScalarType.Float32);
        var blueprint = stored.Description.Blueprint(target, stored.Kind, tensors);
        var start = blueprint.Correction?.Apply(weight, target.Scaling) ?? weight;
        using var adapter = blueprint.Build(start, CPU);
        var change = (adapter.EffectiveWeight(start).to(ScalarType.Float64) - weight.to(ScalarType.Float64)).Div(target.Scaling);
        var (u, s, vh) = Linalg.Svd(change, false);
        var full = new PlainAdapter(WithRank(target, (int)s.shape[0]), vh, u * s, null) { TrainedRank = target.Rank };
        return Truncate(full, u, s, vh, Math.Min(rank.Value, (int)s.shape[0]), baseWeight, full);
    }

    /// <summary>The adapter at a lower rank where one is asked for, or where the stacked rank is more than the layer can have.</summary>
    private static PlainAdapter Shrink(PlainAdapter adapter, Func<string, Tensor> baseWeight, int? rank)
    {
        var possible = Math.Min(adapter.Target.InFeatures, adapter.Target.OutFeatures);
        var wanted = Math.Min(rank ?? possible, possible);
        if (adapter.Target.Rank <= wanted)
            return adapter;
        var triplets = ProductSvd.Leading(adapter.B, adapter.A, Math.Min(adapter.Target.Rank, possible));
        return Truncate(adapter, triplets.U, triplets.S, triplets.Vh, wanted, baseWeight, adapter);
    }

    private static PlainAdapter Approximate(PlainAdapter trained, Tensor replacement, Func<string, Tensor> baseWeight, int? rank)
    {
        var target = trained.Target;
        if (rank is null)
            throw new NotSupportedException($"The initialisation put another (quantised) weight in the place of '{target.ModuleName}', so the trained change of the untouched base has full rank: no LoRA over that base is exactly the model. Ask for a rank to get the nearest adapter of that rank with its error stated, or write the merged model.");
        var wide = baseWeight(target.ModuleName).to(ScalarType.Float64);
        // The direction that the trained layer has, seen from the untouched weight, in units of s.
        var change = (replacement.to(ScalarType.Float64).Add(trained.B.to(ScalarType.Float64).matmul(trained.A.to(ScalarType.Float64)), target.Scaling) - wide).Div(target.Scaling);
        var (u, s, vh) = Linalg.Svd(change, false);
        var full = new PlainAdapter(target with { Alpha = target.Scaling, Rank = 1, RankStabilized = false }, vh, u * s, trained.Magnitude) { TrainedRank = trained.TrainedRank };
        return Truncate(trained, u, s, vh, Math.Min(rank.Value, (int)s.shape[0]), baseWeight, full);
    }

    /// <param name="like">Target, trained rank and magnitude of the result.</param>
    /// <param name="u">[out, R].</param>
    /// <param name="s">[R].</param>
    /// <param name="vh">[R, in].</param>
    /// <param name="rank">How many triplets stay.</param>
    /// <param name="baseWeight">As of <see cref="Convert(FineTunedState, Func{string, Tensor}, int?)"/>.</param>
    /// <param name="full">What the truncated adapter is compared with.</param>
    private static PlainAdapter Truncate(PlainAdapter like, Tensor u, Tensor s, Tensor vh, int rank, Func<string, Tensor> baseWeight, PlainAdapter full)
    {
        var root = s.narrow(0, 0, rank).sqrt();
        var result = like with
        {
            Target = WithRank(like.Target, rank),
            A = root.unsqueeze(1) * vh.narrow(0, 0, rank),
            B = u.narrow(1, 0, rank) * root,
            IsExact = rank == s.shape[0],
        };
        if (like.Magnitude is null)
        {
            var scaling = like.Target.Scaling;
            return result with
            {
                Norm = scaling * s.norm().item<double>(),
                Lost = rank == s.shape[0] ? 0 : scaling * s.narrow(0, rank, s.shape[0] - rank).norm().item<double>(),
            };
        }
        // DoRA divides by the norms of the whole direction, so what is lost shows only in the weights.
        var weight = baseWeight(like.Target.ModuleName).to(ScalarType.Float64);
        var whole = full.EffectiveWeight(weight);
        return result with
        {
            Norm = (whole - weight).norm().item<double>(),
            Lost = (whole - result.EffectiveWeight(weight)).norm().item<double>(),
        };
    }

    /// <summary>Another rank at the same scaling: alpha grows by the ratio, or with rsLoRA by its root.</summary>
    private static AdapterTarget WithRank(AdapterTarget target, int rank)
    {
        double ratio = rank / (double)target.Rank;
        return target with { Rank = rank, Alpha = target.Alpha * (target.RankStabilized ? Math.Sqrt(ratio) : ratio) };
    }
}
