using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>
/// TIES (arXiv 2306.01708): each task's tensor keeps its largest elements; each element elects a sign over the tasks; the mean is
/// taken over the tasks that have that sign. Weights count after the election, as in huggingface/peft (utils/merge_utils.py).
/// </summary>
internal static class TiesMerge
{
    /// <param name="values">One tensor a task, of one shape.</param>
    /// <param name="weights">One weight a task.</param>
    /// <param name="density">Part of the elements that a task keeps, in (0, 1].</param>
    /// <param name="election">How the sign is elected.</param>
    /// <returns>The merged tensor in the caller's scope.</returns>
    public static Tensor Of(Tensor[] values, double[] weights, double density, MajoritySign election)
    {
        using var scope = NewDisposeScope();
        var kept = stack(values.Select(v => Trim(v, density)));
        var signs = kept.sign();
        var votes = (election == MajoritySign.Total ? kept : signs).sum(0L);
        var elected = votes.Ge(0).to(kept.dtype).Mul(2).Sub(1);
        var agrees = signs.eq(elected).to(kept.dtype);
        var weighted = stack(kept.unbind(0).Zip(weights, (k, w) => k.Mul(w)));
        return ((weighted * agrees).sum(0L) / agrees.sum(0L).ClampMin(1)).MoveToOuterDisposeScope();
    }

    private static Tensor Trim(Tensor value, double density)
    {
        int count = (int)(density * value.numel());
        if (count >= value.numel())
            return value;
        var mask = zeros_like(value).reshape(-1);
        if (count > 0)
            mask.IndexFill_(0, value.abs().reshape(-1).topk(count).indexes, 1);
        return value * mask.reshape(value.shape);
    }
}
