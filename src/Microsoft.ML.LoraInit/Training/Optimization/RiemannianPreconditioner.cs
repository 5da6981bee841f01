using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Optimization;

/// <summary>
/// The scaled gradient of low-rank factors (arXiv 2402.02347; huggingface/peft optimizers/riemannian.py):
/// g_A ← (BᵀB + εI)⁻¹ g_A and g_B ← g_B (AAᵀ + εI)⁻¹, from the values before the step.
/// </summary>
/// <remarks>
/// It belongs to the optimiser's step, and so comes after clipping, as where PEFT's optimiser follows a trainer that clips:
/// clipping sees the gradient of the loss, AdamW the preconditioned one. Pairs with a frozen factor are left alone, as in
/// PEFT. Adapters of one shape are taken together: a handful of calls a shape, none of which waits for the device.
/// </remarks>
internal sealed class RiemannianPreconditioner : IDisposable
{
    private readonly TrainableParameters _parameters;
    private readonly double _damping;
    private readonly Group[] _groups;

    /// <summary>Where the factors of adapters of one shape lie in the flat vector: int64 [k, r, in] and [k, out, r].</summary>
    private sealed record Group(Tensor A, Tensor B);

    /// <param name="parameters">What is trained.</param>
    /// <param name="adapters">The adapters; those without two trained factors are left alone.</param>
    /// <param name="damping">ε, above 0.</param>
    /// <exception cref="InvalidOperationException">No adapter has two trained factors.</exception>
    public RiemannianPreconditioner(TrainableParameters parameters, IEnumerable<LowRankAdapter> adapters, double damping)
    {
        _parameters = parameters;
        _damping = damping;
        var pairs = adapters.Select(a => (Adapter: a, A: parameters.Start(a.A), B: parameters.Start(a.B))).Where(p => p is { A: not null, B: not null }).ToArray();
        if (pairs.Length == 0)
            throw new InvalidOperationException("The Riemannian preconditioner found no adapter with two trained factors.");
        using var noGrad = no_grad();
        _groups =
        [
            .. pairs.GroupBy(p => (p.Adapter.Target.OutFeatures, p.Adapter.Target.InFeatures, p.Adapter.Target.Rank)).Select(g => new Group(
                Places(g.Select(p => p.A!.Value), g.Key.Rank, g.Key.InFeatures),
                Places(g.Select(p => p.B!.Value), g.Key.OutFeatures, g.Key.Rank))),
        ];
    }

    /// <summary>Changes the gradient in place.</summary>
    /// <exception cref="InvalidOperationException">No backward pass has left a gradient.</exception>
    public void Apply()
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var values = _parameters.Flat.detach();
        var gradient = _parameters.Flat.grad ?? throw new InvalidOperationException("There is no gradient to precondition: run a backward pass first.");
        foreach (var group in _groups)
        {
            using var groupScope = NewDisposeScope();
            var (a, b) = (Take(values, group.A), Take(values, group.B)); // [k, r, in], [k, out, r]
            Put(gradient, group.A, Inverse(b.transpose(1, 2).matmul(b)).matmul(Take(gradient, group.A)));
            Put(gradient, group.B, Take(gradient, group.B).matmul(Inverse(a.matmul(a.transpose(1, 2)))));
        }
    }

    public void Dispose()
    {
        foreach (var group in _groups)
        {
            group.A.Dispose();
            group.B.Dispose();
        }
    }

    /// <summary>(M + εI)⁻¹ of each M [r, r], in fp64: M's condition is the square of the factor's.</summary>
    private Tensor Inverse(Tensor gram)
    {
        var identity = eye(gram.shape[^1], dtype: ScalarType.Float64, device: gram.device);
        // By Cholesky: ε > 0 keeps M positive definite, cholesky_ex leaves its error code on the device where linalg.inv would
        // wait for it, and TorchSharp's inv_ex, in 0.107.0 too, calls cholesky_ex.
        var inverse = linalg.solve_triangular(Linalg.Cholesky(gram.to(ScalarType.Float64).Add(identity.Mul(_damping))), identity.expand(gram.shape), false);
        return inverse.transpose(1, 2).matmul(inverse).to(ScalarType.Float32);
    }

    private Tensor Places(IEnumerable<long> starts, long rows, long columns)
    {
        using var scope = NewDisposeScope();
        var within = Numbers.Arange(rows * columns, dtype: ScalarType.Int64).view(1, rows, columns);
        var places = tensor(starts.ToArray()).view(-1, 1, 1).Add(within);
        return places.to(_parameters.Flat.device).DetachFromDisposeScope();
    }

    private static Tensor Take(Tensor flat, Tensor places) => flat.index_select(0, places.view(-1)).view(places.shape);

    private static void Put(Tensor flat, Tensor places, Tensor values) => flat.index_copy_(0, places.view(-1), values.reshape(-1));
}
