using System.Globalization;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// How much the rows of each class count in the loss, for classes of unlike size: <see cref="None"/>, <see cref="Balanced"/>
/// or <see cref="PerClass"/>. A row counts its class's weight times its example weight.
/// </summary>
/// <remarks>They decide what is learnt, and leave validation metrics as they are. Compare by value.</remarks>
public abstract record ClassWeights
{
    private protected ClassWeights()
    {
    }

    /// <summary>Every class weighs 1.</summary>
    public static ClassWeights None { get; } = new NoClassWeights();

    /// <summary>
    /// n / (classes · count): rows, divided by the classes that occur times the class's rows, so that every class has the same sum
    /// of weights and a row weighs 1 on average. Counted on the training rows, without validation rows (the rule of
    /// scikit-learn's <c>class_weight="balanced"</c>). Example weights are not counted.
    /// </summary>
    public static ClassWeights Balanced { get; } = new BalancedClassWeights();

    /// <summary>A weight for each class, by its name (<c>"true"</c> and <c>"false"</c> for the binary trainer).</summary>
    /// <param name="weights">Every class's name and its weight, finite and above 0.</param>
    /// <exception cref="ArgumentException">There is no weight, or one is not finite and above 0.</exception>
    public static ClassWeights PerClass(IReadOnlyDictionary<string, double> weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        if (weights.Count == 0)
            throw new ArgumentException("There are no class weights: give one for every class, or use ClassWeights.None.", nameof(weights));
        foreach (var (name, weight) in weights)
            if (!(weight > 0 && double.IsFinite(weight)))
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The weight of the class '{name}' is {weight}: use a finite number above 0."), nameof(weights));
        return new ExplicitClassWeights(weights);
    }

    private sealed record NoClassWeights : ClassWeights
    {
        public override string ToString() => "none";
    }

    private sealed record BalancedClassWeights : ClassWeights
    {
        public override string ToString() => "balanced";
    }
}

/// <summary>Weights by name.</summary>
internal sealed record ExplicitClassWeights : ClassWeights
{
    public ExplicitClassWeights(IReadOnlyDictionary<string, double> weights) =>
        Weights = new SortedDictionary<string, double>(weights.ToDictionary(StringComparer.Ordinal), StringComparer.Ordinal);

    public SortedDictionary<string, double> Weights { get; }

    public bool Equals(ExplicitClassWeights? other) => other is not null && Weights.SequenceEqual(other.Weights);

    public override int GetHashCode() => Weights.Aggregate(0, (hash, pair) => HashCode.Combine(hash, pair.Key, pair.Value));

    public override string ToString() =>
        string.Join(", ", Weights.Select(w => string.Create(CultureInfo.InvariantCulture, $"{w.Key}: {w.Value}")));
}
