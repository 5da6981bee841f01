using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>
/// Decompositions, for use from several threads. On a GPU libtorch loads their library at the first call, and that load is not safe:
/// a second thread that arrives meanwhile gets "lazy wrapper should be called at most once"
/// (pytorch, aten/src/ATen/native/cuda/LinearAlgebraStubs.cpp). So one thread loads it here while the others wait.
/// </summary>
internal static class Linalg
{
    private static readonly Lock Gate = new();
    private static volatile bool _loaded;

    /// <inheritdoc cref="linalg.svd"/>
    public static (Tensor U, Tensor S, Tensor Vh) Svd(Tensor x, bool fullMatrices = true) => linalg.svd(Ready(x), fullMatrices);

    /// <inheritdoc cref="linalg.qr"/>
    public static (Tensor Q, Tensor R) Qr(Tensor x) => linalg.qr(Ready(x));

    /// <summary>Eigenvalues in rising order and eigenvectors, as columns, of symmetric matrices.</summary>
    public static (Tensor Values, Tensor Vectors) Eigh(Tensor x) => linalg.eigh(Ready(x));

    /// <inheritdoc cref="linalg.eigvalsh"/>
    public static Tensor Eigvalsh(Tensor x) => linalg.eigvalsh(Ready(x));

    /// <inheritdoc cref="linalg.inv"/>
    public static Tensor Inv(Tensor x) => linalg.inv(Ready(x));

    /// <summary>The Moore-Penrose inverse, singular values below a share of the largest taken for zero.</summary>
    /// <param name="x">[m, n].</param>
    /// <param name="rounding">That share.</param>
    public static Tensor Pinv(Tensor x, double rounding)
    {
        var (u, s, vh) = Svd(x, false);
        var inverse = where(s.gt(s[0].Mul(rounding)), s.reciprocal(), zeros_like(s));
        return (vh.t() * inverse).matmul(u.t());
    }

    /// <summary>The lower factor, unchecked: what is not positive definite gives numbers without meaning.</summary>
    public static Tensor Cholesky(Tensor x) => linalg.cholesky_ex(Ready(x)).L;

    private static Tensor Ready(Tensor x)
    {
        if (!_loaded && x.device_type == DeviceType.CUDA)
        {
            lock (Gate)
            {
                if (!_loaded)
                {
                    using var scope = NewDisposeScope();
                    linalg.qr(ones(1, 1, device: x.device));
                    _loaded = true;
                }
            }
        }
        return x;
    }
}
