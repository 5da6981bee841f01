using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Numerics;

/// <summary>
/// What CorDA, LoRA-Null and Astra (and PEFT's forms of them) do to each sample's activations before they are added up: they
/// divide them by the absolute value of the largest number, the largest by sign, not by size. Where that is next to nothing beside the
/// largest size, as where no number is above zero, theirs are infinite or no numbers; here it is the largest size then.
/// </summary>
internal static class SampleScale
{
    private const double Nothing = 1e-6;

    /// <param name="x">[tokens, n], row after row.</param>
    /// <param name="lengths">The tokens of each row.</param>
    /// <returns>fp64: x with every row's tokens divided by |max| of that row; a row of zeros as it is.</returns>
    public static Tensor Normalized(Tensor x, IReadOnlyList<int> lengths)
    {
        using var scope = NewDisposeScope();
        var wide = x.to(ScalarType.Float64);
        var (largest, sizes) = (Numbers(wide.amax([1L])), Numbers(wide.abs().amax([1L])));
        var divisors = new double[largest.Length];
        int start = 0;
        foreach (var length in lengths)
        {
            var (max, size) = (Math.Abs(Largest(largest, start, length)), Largest(sizes, start, length));
            divisors.AsSpan(start, length).Fill(size == 0 ? 1 : max > Nothing * size ? max : size);
            start += length;
        }
        return (wide / tensor(divisors, device: x.device).unsqueeze(1)).MoveToOuterDisposeScope();
    }

    private static double[] Numbers(Tensor values) => values.cpu().data<double>().ToArray();

    private static double Largest(double[] values, int start, int length) => values.AsSpan(start, length).ToArray().Max();
}
