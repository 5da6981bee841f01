using System.Numerics;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>Refuses numbers that are not finite: one reading of the memory, and no copy.</summary>
internal static class FiniteNumbers
{
    /// <summary>
    /// The largest magnitude of a weight that scores: a thousand times what trained models have, and small enough that no
    /// encoder of known size overflows fp32 from it, whatever the text.
    /// </summary>
    public const double MostOfWeights = 1e6;

    /// <summary>Whether every number is finite and of at most a magnitude; true of integers.</summary>
    public static bool Hold(Tensor values, double most = double.MaxValue) =>
        !values.is_floating_point() || Largest(values) is var largest && double.IsFinite(largest) && largest <= most;

    /// <summary>The largest magnitude, or NaN where there is a NaN; 0 of no numbers.</summary>
    public static double Largest(Tensor values)
    {
        if (values.numel() == 0)
            return 0;
        if (values.device_type == DeviceType.CPU && values.dtype == ScalarType.Float32 && values.is_contiguous() && values.numel() <= int.MaxValue / sizeof(float))
        {
            var largest = Largest(MemoryMarshal.Cast<byte, float>(values.bytes));
            GC.KeepAlive(values);
            return largest;
        }
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var flat = values.detach();
        // A NaN anywhere becomes both.
        return Math.Max(-flat.min().to(ScalarType.Float64).item<double>(), flat.max().to(ScalarType.Float64).item<double>());
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

    // Without their signs, the bits of numbers sort as the numbers do, those of NaN behind infinity.
    private static double Largest(ReadOnlySpan<float> values)
    {
        const int Magnitude = int.MaxValue;
        var bits = MemoryMarshal.Cast<float, int>(values);
        var vectors = MemoryMarshal.Cast<int, Vector<int>>(bits);
        var (most, other) = (Vector<int>.Zero, Vector<int>.Zero);
        var mask = new Vector<int>(Magnitude);
        int i = 0;
        for (; i + 1 < vectors.Length; i += 2)
            (most, other) = (Vector.Max(most, vectors[i] & mask), Vector.Max(other, vectors[i + 1] & mask));
        for (; i < vectors.Length; i++)
            most = Vector.Max(most, vectors[i] & mask);
        most = Vector.Max(most, other);
        int largest = 0;
        for (i = 0; i < Vector<int>.Count; i++)
            largest = Math.Max(largest, most[i]);
        foreach (int rest in bits[(vectors.Length * Vector<int>.Count)..])
            largest = Math.Max(largest, rest & Magnitude);
        return BitConverter.Int32BitsToSingle(largest);
    }
}
