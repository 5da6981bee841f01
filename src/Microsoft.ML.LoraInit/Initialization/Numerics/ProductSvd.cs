using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Numerics;

/// <summary>
/// The singular triplets of a product B·A [out, in] of rank R without forming it: with B = Q₁R₁ and Aᵀ = Q₂R₂ they are
/// those of R₁R₂ᵀ [R, R], turned by Q₁ and Q₂. O((out + in)·R²) instead of O(out·in·min(out, in)). fp64.
/// </summary>
internal static class ProductSvd
{
    /// <param name="b">[out, R], R at most out.</param>
    /// <param name="a">[R, in], R at most in.</param>
    /// <param name="rank">How many leading triplets to return, at most R.</param>
    public static SingularTriplets Leading(Tensor b, Tensor a, int rank)
    {
        using var scope = NewDisposeScope();
        var (q1, r1) = Linalg.Qr(b.to(ScalarType.Float64));
        var (q2, r2) = Linalg.Qr(a.to(ScalarType.Float64).t());
        var (u, s, vh) = Linalg.Svd(r1.matmul(r2.t()), false);
        return new SingularTriplets(
            q1.matmul(u.narrow(1, 0, rank)), s.narrow(0, 0, rank), vh.narrow(0, 0, rank).matmul(q2.t())).CopyToOuterScope();
    }
}
