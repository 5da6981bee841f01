using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Numerics;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>
/// Makes one adapter of several, layer by layer, as huggingface/peft's <c>add_weighted_adapter</c> (tuners/lora/model.py)
/// defines it. A layer that an adapter leaves alone counts as no change by it. The result has the scaling 1.
/// </summary>
internal static class AdapterCombiner
{
    /// <summary>Adapters and head of the result, in the caller's dispose scope.</summary>
    /// <param name="parts">Name, state and weight of each; checked to be of one task.</param>
    /// <param name="method">How.</param>
    /// <param name="head">Whose head is taken over, or null for the weighted mean.</param>
    /// <exception cref="ArgumentException">The parts do not fit the method; the message says which.</exception>
    public static PeftWeights Combine(IReadOnlyList<(string Name, FineTunedState State, double Weight)> parts, AdapterCombination method, string? head)
    {
        using var noGrad = no_grad();
        foreach (var (name, state, _) in parts)
            if (state.Adapters.Count == 0 || state.Adapters.Any(a => a.Kind != AdapterKind.Lora))
                throw new ArgumentException(state.Adapters.Count == 0
                    ? $"The adapter '{name}' is a head alone, so there is nothing to combine."
                    : $"The adapter '{name}' is a DoRA adapter; its magnitudes rescale the whole weight and do not add up with others. Combine plain LoRA adapters.");
        var config = parts[0].State.Config;
        var merged = AdapterPlanner.Modules(config).Select(m => m.Name)
            .Select(module => (module, Found: parts.SelectMany(p => Factors(p.Name, p.State, module, p.Weight)).ToArray()))
            .Where(m => m.Found.Length > 0)
            .Select(m => Merge(m.Found, method))
            .ToArray();
        return new(merged, Head(parts, head), parts[0].State.Adapters[0].Description.Dropout);
    }

    private static IEnumerable<WeightedFactors> Factors(string name, FineTunedState state, string module, double weight) =>
        state.Adapters.Where(a => a.Target.ModuleName == module).Select(a => new WeightedFactors(
            name, a.Target, state.Tensors[module + LinearAdapter.Names.A], state.Tensors[module + LinearAdapter.Names.B], weight));

    private static PlainAdapter Merge(WeightedFactors[] factors, AdapterCombination method)
    {
        using var scope = NewDisposeScope();
        var target = factors[0].Target;
        int possible = Math.Min(target.InFeatures, target.OutFeatures);
        var (a, b) = method.Kind switch
        {
            AdapterCombinationKind.Linear => Each(factors, method, (values, weights) => stack(values.Zip(weights, (v, w) => v.Mul(w))).sum(0L)),
            AdapterCombinationKind.Ties => Each(factors, method, (values, weights) => TiesMerge.Of(values, weights, method.Density!.Value, method.MajoritySign)),
            AdapterCombinationKind.Concatenation => Stacked(factors) is var all && all.A.shape[0] <= possible ? all : Leading(all, possible),
            AdapterCombinationKind.Svd => Leading(Stacked(factors), Rank()),
            _ => Leading(TiesMerge.Of([.. factors.Select(f => f.Delta())], [.. factors.Select(f => f.Weight)], method.Density!.Value, method.MajoritySign), Rank()),
        };
        int rank = (int)a.shape[0];
        return new(target with { Rank = rank, Alpha = rank, RankStabilized = false }, Keep(a), Keep(b), null) { TrainedRank = rank };

        int Rank() => Math.Min(method.Rank ?? factors.Max(f => f.Target.Rank), possible);

        static Tensor Keep(Tensor value) => value.to(ScalarType.Float32).contiguous().clone().MoveToOuterDisposeScope();
    }

    /// <summary>A and B each by themselves: √|w·s| goes to both, the sign to A alone.</summary>
    private static (Tensor A, Tensor B) Each(WeightedFactors[] factors, AdapterCombination method, Func<Tensor[], double[], Tensor> merge)
    {
        if (factors.FirstOrDefault(f => f.Target.Rank != factors[0].Target.Rank) is { } other)
            throw new ArgumentException($"The adapters '{factors[0].Name}' and '{other.Name}' have the ranks {factors[0].Target.Rank} and {other.Target.Rank} on '{other.Target.ModuleName}', and '{method}' adds factors of one rank: use cat, svd or ties-svd.");
        double[] roots = [.. factors.Select(f => Math.Sqrt(Math.Abs(f.Weight * f.Target.Scaling)))];
        double[] signed = [.. factors.Zip(roots, (f, root) => f.Weight * f.Target.Scaling >= 0 ? root : -root)];
        return (merge([.. factors.Select(f => f.A)], signed), merge([.. factors.Select(f => f.B)], roots));
    }

    /// <summary>[w₁·s₁·A₁; …] and [B₁, …], whose product is the sum.</summary>
    private static (Tensor A, Tensor B) Stacked(WeightedFactors[] factors) =>
        (cat(factors.Select(f => f.A.Mul(f.Weight * f.Target.Scaling)).ToArray(), 0), cat(factors.Select(f => f.B).ToArray(), 1));

    private static (Tensor A, Tensor B) Leading((Tensor A, Tensor B) factors, int rank)
    {
        rank = Math.Min(rank, (int)factors.A.shape[0]);
        var triplets = ProductSvd.Leading(factors.B, factors.A, rank);
        return Split(triplets.U, triplets.S, triplets.Vh);
    }

    private static (Tensor A, Tensor B) Leading(Tensor change, int rank)
    {
        var (u, s, vh) = Linalg.Svd(change, false);
        return Split(u.narrow(1, 0, rank), s.narrow(0, 0, rank), vh.narrow(0, 0, rank));
    }

    private static (Tensor A, Tensor B) Split(Tensor u, Tensor s, Tensor vh)
    {
        var root = s.sqrt();
        return (root.unsqueeze(1) * vh, u * root);
    }

    private static Dictionary<string, Tensor> Head(IReadOnlyList<(string Name, FineTunedState State, double Weight)> parts, string? from)
    {
        var layout = ClassificationHead.Layout(parts[0].State.Config, parts[0].State.Outputs);
        if (from is not null)
        {
            var chosen = parts.FirstOrDefault(p => p.Name == from).State
                ?? throw new ArgumentException($"headFrom = '{from}' is none of the adapters combined: {string.Join(", ", parts.Select(p => $"'{p.Name}'"))}.");
            return layout.ToDictionary(l => l.Name, l => chosen.Tensors[l.Name].clone(), StringComparer.Ordinal);
        }
        double total = parts.Sum(p => p.Weight);
        if (!(total > 1e-6))
            throw new ArgumentException($"The weights add up to {total}, so the heads have no weighted mean: name the adapter whose head to take by headFrom.");
        return layout.ToDictionary(l => l.Name, l => stack(parts.Select(p => p.State.Tensors[l.Name].Mul(p.Weight / total))).sum(0L), StringComparer.Ordinal);
    }

    private sealed record WeightedFactors(string Name, AdapterTarget Target, Tensor A, Tensor B, double Weight)
    {
        /// <summary>s·B·A, fp64.</summary>
        public Tensor Delta() => B.to(ScalarType.Float64).matmul(A.to(ScalarType.Float64)).Mul(Target.Scaling);
    }
}
