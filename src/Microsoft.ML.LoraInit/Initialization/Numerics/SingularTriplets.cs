using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Numerics;

/// <summary>Some singular triplets of an [m, n] matrix, largest first, in fp64.</summary>
/// <param name="U">[m, k], orthonormal columns.</param>
/// <param name="S">[k].</param>
/// <param name="Vh">[k, n], orthonormal rows.</param>
internal sealed record SingularTriplets(Tensor U, Tensor S, Tensor Vh)
{
    /// <summary>B = U √(S/s) and A = √(S/s) Vᵀ in fp32, so that s·B·A is the triplets' product.</summary>
    public (Tensor A, Tensor B) Split(double scaling)
    {
        using var scope = NewDisposeScope();
        var root = S.Div(scaling).sqrt();
        var a = (root.unsqueeze(1) * Vh).to(ScalarType.Float32);
        var b = (U * root).to(ScalarType.Float32);
        return (a.MoveToOuterDisposeScope(), b.MoveToOuterDisposeScope());
    }

    /// <summary>
    /// Copies that the caller's dispose scope owns. The signs stay as the decomposition left them: they cancel in products
    /// of one triplet's vectors, and LoRA-GA, which pairs vectors of different triplets, is then what PyTorch would give.
    /// </summary>
    public SingularTriplets CopyToOuterScope() => new(
        U.clone().MoveToOuterDisposeScope(), S.clone().MoveToOuterDisposeScope(), Vh.clone().MoveToOuterDisposeScope());
}
