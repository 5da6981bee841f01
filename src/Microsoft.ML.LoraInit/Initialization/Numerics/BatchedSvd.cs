using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Numerics;

/// <summary>
/// Full singular value decompositions of many matrices, those of one shape stacked into one call of
/// <c>torch.linalg.svd</c>. Always in fp64: the trailing triplets of a weight are lost in fp32's rounding.
/// </summary>
internal static class BatchedSvd
{
    // Bounds the memory of one stack (256 MB of fp64), not the number of matrices.
    private const long ElementsAtOnce = 1L << 25;

    /// <summary>The triplets that <paramref name="keep"/> asks for, in the order of the matrices.</summary>
    /// <param name="shapes">(m, n) of each matrix.</param>
    /// <param name="matrix">Makes matrix i, any floating type, when its turn comes; it is freed with its stack.</param>
    /// <param name="keep">Which of the min(m, n) triplets to return for matrix i, such as <c>..r</c> or <c>^r..</c>.</param>
    /// <param name="done">Called after each stack with the number of matrices done so far; null for nobody.</param>
    public static SingularTriplets[] Compute(
        IReadOnlyList<(long M, long N)> shapes, Func<int, Tensor> matrix, Func<int, Range> keep, Action<int>? done = null)
    {
        var results = new SingularTriplets[shapes.Count];
        int finished = 0;
        foreach (var group in Enumerable.Range(0, shapes.Count).GroupBy(i => shapes[i]))
        {
            var (m, n) = group.Key;
            foreach (var stack in group.Chunk((int)Math.Max(1, ElementsAtOnce / (m * n))))
            {
                Decompose(stack, matrix, keep, results);
                done?.Invoke(finished += stack.Length);
            }
        }
        return results;
    }

    private static void Decompose(int[] indices, Func<int, Tensor> matrix, Func<int, Range> keep, SingularTriplets[] results)
    {
        using var scope = NewDisposeScope();
        var (u, s, vh) = Linalg.Svd(stack(indices.Select(i => matrix(i).to(ScalarType.Float64))), false);
        for (int k = 0; k < indices.Length; k++)
        {
            var (start, count) = keep(indices[k]).GetOffsetAndLength((int)s.shape[1]);
            results[indices[k]] = new SingularTriplets(
                u[k].narrow(1, start, count), s[k].narrow(0, start, count), vh[k].narrow(0, start, count)).CopyToOuterScope();
        }
    }
}
