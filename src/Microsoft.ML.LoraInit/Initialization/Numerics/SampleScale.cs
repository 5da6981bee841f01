using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Numerics;

/// <summary>
/// What CorDA, LoRA-Null and Astra (and PEFT's forms of them) do to each sample's activations before they are added up: they
/// divide them by the absolute value of the largest number, the largest by sign, not by size.
/// </summary>
internal static class SampleScale
{
    /// <param name="x">[tokens, n], row after row.</param>
    /// <param name="lengths">The tokens of each row.</param>
    /// <returns>fp64: x with every row's tokens divided by |max| of that row; as they are where that is zero.</returns>
    public static Tensor Normalized(Tensor x, IReadOnlyList<int> lengths)
    {
        using var scope = NewDisposeScope();
        var largest = x.amax([1L]).cpu().data<float>().ToArray();
        var factors = new double[largest.Length];
        int start = 0;
        foreach (var length in lengths)
        {
            var max = Math.Abs(largest.AsSpan(start, length).ToArray().Max());
            factors.AsSpan(start, length).Fill(max == 0 ? 1 : 1.0 / max); // in fp32 the inverse of a tiny number is infinite
            start += length;
        }
        return (x.to(ScalarType.Float64) * tensor(factors, device: x.device).unsqueeze(1)).MoveToOuterDisposeScope();
    }
}
