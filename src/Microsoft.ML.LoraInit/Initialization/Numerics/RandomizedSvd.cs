using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Numerics;

/// <summary>
/// Leading singular triplets from a random range finder with power iterations (Halko, Martinsson and Tropp,
/// arXiv 0909.4061, algorithms 4.4 and 5.1): with a Gaussian Ω [n, k + p], Q spans (M Mᵀ)^q M Ω, and the small Qᵀ M is
/// decomposed in full. Each half iteration is orthonormalised by QR, else small triplets drown. fp64 throughout.
/// </summary>
internal static class RandomizedSvd
{
    /// <summary>p: columns drawn beyond the rank. Halko et al. advise 5 to 10; torch.svd_lowrank draws none.</summary>
    public const int Oversampling = 8;

    /// <param name="matrix">M, [m, n].</param>
    /// <param name="rank">k, at most min(m, n).</param>
    /// <param name="iterations">q, the power iterations; the error falls as (σ of rank k+1 / σ of rank k)^(2q+1).</param>
    /// <param name="random">Draws Ω, on the CPU.</param>
    public static SingularTriplets Compute(Tensor matrix, int rank, int iterations, Generator random)
    {
        using var scope = NewDisposeScope();
        var m = matrix.to(ScalarType.Float64);
        var columns = Math.Min(rank + Oversampling, Math.Min(m.shape[0], m.shape[1]));
        var omega = empty(m.shape[1], columns).normal_(0, 1, random).to(m.device).to(ScalarType.Float64);
        var q = Linalg.Qr(m.matmul(omega)).Q;
        for (int i = 0; i < iterations; i++)
        {
            var other = Linalg.Qr(m.t().matmul(q)).Q;
            q = Linalg.Qr(m.matmul(other)).Q;
        }
        var (u, s, vh) = Linalg.Svd(q.t().matmul(m), false);
        return new SingularTriplets(
            q.matmul(u.narrow(1, 0, rank)), s.narrow(0, 0, rank), vh.narrow(0, 0, rank)).CopyToOuterScope();
    }
}
