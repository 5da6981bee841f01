using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>How far factors are from having orthonormal rows and columns, as AdaLoRA, KaSA and RM-LoRA penalise it.</summary>
internal static class Orthogonality
{
    /// <summary>Σ over the adapters of ‖A·Aᵀ − I‖ + ‖Bᵀ·B − I‖ (Frobenius norms, not squared), with its tape; a scalar.</summary>
    public static Tensor Of(IEnumerable<LowRankAdapter> adapters) => adapters
        .GroupBy(a => (a.Target.Rank, a.Target.InFeatures, a.Target.OutFeatures))
        .Select(shape => Distance(stack(shape.Select(a => a.A.Value).ToArray())).Add(Distance(stack(shape.Select(a => a.B.Value.t()).ToArray()))))
        .Aggregate((a, b) => a.Add(b));

    // rows: [k, r, n]. A norm of zero has the gradient zero here, as in the sources; that of a root would be no number.
    private static Tensor Distance(Tensor rows) =>
        (rows.matmul(rows.transpose(1, 2)) - eye(rows.shape[1], device: rows.device)).flatten(1).norm(1).sum();
}
