namespace Microsoft.ML.LoraInit.Benchmarks.Libraries;

/// <summary>
/// Counts answers that are not what they are to be: a probability's logarithm, which is a logit less one number for the row, is too far off.
/// Several threads may add to it.
/// </summary>
/// <param name="tolerance">How far logarithms may be apart.</param>
internal sealed class AnswerComparison(float tolerance)
{
    /// <summary>Of answers that have nothing in common: the logarithm of fp32's smallest probability.</summary>
    private static readonly double Unlike = -Math.Log(float.Epsilon);

    private readonly Lock _adding = new();

    /// <summary>Answers compared.</summary>
    public int Compared { get; private set; }

    /// <summary>Those that were wrong.</summary>
    public int Wrong { get; private set; }

    /// <summary>The largest difference.</summary>
    public double Largest { get; private set; }

    /// <summary>The smallest difference.</summary>
    public double Smallest { get; private set; } = Unlike;

    /// <summary>
    /// How far rounding takes right answers apart. Made-up adapters change a layer's weights by as much as these are, and the logits spread by
    /// about one, so that another adapter's answer is off by one or so. bf16 has 8 bits: a sum of base and correction that is rounded before
    /// the product and one that is rounded after it differ by 2⁻⁸ at most a layer, which the roundings of twelve layers make a percent or two of
    /// the logits, and the largest of 150 labels is a few times that (0.02 in the mini model, 0.06 in the base shape). In fp32 it is 2¹⁶ times smaller.
    /// </summary>
    public static AnswerComparison For(Precision precision) => new(precision == Precision.BFloat16 ? 0.15f : 1e-3f);

    /// <summary>Adds an answer: probabilities, and what they are to be.</summary>
    public void Add(IReadOnlyList<float> actual, IReadOnlyList<float> expected)
    {
        var difference = Difference(actual, expected);
        lock (_adding)
        {
            Compared++;
            Wrong += difference <= tolerance ? 0 : 1;
            Largest = Math.Max(Largest, difference);
            Smallest = Math.Min(Smallest, difference);
        }
    }

    private static double Difference(IReadOnlyList<float> actual, IReadOnlyList<float> expected) =>
        actual.Count == expected.Count && !actual.Concat(expected).Any(float.IsNaN) ? actual.Zip(expected).Max(p => Math.Abs(Logarithm(p.First) - Logarithm(p.Second))) : Unlike;

    private static double Logarithm(float probability) => Math.Log(Math.Max(probability, float.Epsilon));
}
