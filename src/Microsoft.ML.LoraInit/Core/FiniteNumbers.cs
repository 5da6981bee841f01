using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>Refuses numbers that are not finite: one reading of the memory for each of least and largest, and no copy.</summary>
internal static class FiniteNumbers
{
    /// <summary>
    /// The largest magnitude of a weight that scores: a thousand times what trained models have, and small enough that no
    /// encoder of known size overflows fp32 from it, whatever the text.
    /// </summary>
    public const double MostOfWeights = 1e6;

    /// <summary>Whether every number is finite and of at most a magnitude; true of integers.</summary>
    public static bool Hold(Tensor values, double most = double.MaxValue)
    {
        if (!values.is_floating_point() || values.numel() == 0)
            return true;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var flat = values.detach();
        // A NaN anywhere becomes both.
        var (least, largest) = (flat.min().to(ScalarType.Float64).item<double>(), flat.max().to(ScalarType.Float64).item<double>());
        return double.IsFinite(least) && double.IsFinite(largest) && least >= -most && largest <= most;
    }

    /// <param name="values">The numbers.</param>
    /// <param name="tensor">Their name.</param>
    /// <param name="source">What error messages call the file.</param>
    /// <param name="most">The largest magnitude allowed.</param>
    /// <exception cref="InvalidDataException">One is not finite; the message names file and tensor.</exception>
    public static void Check(Tensor values, string tensor, string source, double most = double.MaxValue)
    {
        if (!Hold(values, most))
            throw new InvalidDataException($"'{source}': the tensor '{tensor}' holds numbers that are not finite (NaN or infinity){(most == double.MaxValue ? "" : $" or beyond ±{most:N0}")}. The file is damaged, or the training that wrote it diverged: get or make it again.");
    }
}
