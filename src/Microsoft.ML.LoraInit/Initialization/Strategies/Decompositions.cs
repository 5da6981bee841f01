using Microsoft.ML.LoraInit.Initialization.Numerics;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Strategies;

/// <summary>Singular triplets of one matrix a layer, with progress and cancellation.</summary>
internal static class Decompositions
{
    /// <summary>Some triplets of each layer's matrix, from full decompositions batched by shape.</summary>
    /// <param name="context">Tells progress.</param>
    /// <param name="matrix">The layer's matrix, [out, in].</param>
    /// <param name="keep">Which triplets.</param>
    /// <param name="message">What is decomposed, for the progress report.</param>
    public static SingularTriplets[] Full(
        InitializationContext context, Func<AdapterTarget, Tensor> matrix, Func<AdapterTarget, Range> keep, string message)
    {
        var targets = context.Targets;
        context.Report(message, 0, targets.Count);
        return BatchedSvd.Compute(
            [.. targets.Select(t => ((long)t.OutFeatures, (long)t.InFeatures))],
            i => matrix(targets[i]),
            i => keep(targets[i]),
            done => context.Report(message, done, targets.Count));
    }

    /// <summary>The leading triplets: exact with 0 iterations, else randomised with that many power iterations.</summary>
    public static SingularTriplets[] Leading(
        InitializationContext context, string strategy, Func<AdapterTarget, Tensor> matrix, Func<AdapterTarget, int> count, int iterations, string message)
    {
        if (iterations == 0)
            return Full(context, matrix, target => ..count(target), message);
        var results = new SingularTriplets[context.Targets.Count];
        for (int i = 0; i < results.Length; i++)
        {
            var target = context.Targets[i];
            context.Report(message, i, results.Length);
            using var random = context.Random(target, $"{strategy}/sketch");
            results[i] = RandomizedSvd.Compute(matrix(target), count(target), iterations, random);
        }
        context.Report(message, results.Length, results.Length);
        return results;
    }

    /// <summary>Base-corrected factors with s·B·A = U S Vᵀ and √S on both sides.</summary>
    public static IReadOnlyList<InitializedAdapter> CorrectedFactors(InitializationContext context, IReadOnlyList<SingularTriplets> triplets) =>
    [
        .. context.Targets.Zip(triplets, (target, found) =>
        {
            var (a, b) = found.Split(target.Scaling);
            return new InitializedAdapter(a, b) { SubtractFromBase = true };
        }),
    ];

    /// <summary>Runs a strategy's body in a scope of its own and hands its results to the caller's.</summary>
    public static IReadOnlyList<InitializedAdapter> Scoped(Func<IReadOnlyList<InitializedAdapter>> body)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var results = body();
        foreach (var result in results)
        {
            foreach (var tensor in new[] { result.A, result.B, result.N, result.ReplacementBase })
                tensor?.MoveToOuterDisposeScope();
        }
        return results;
    }
}
