using System.Globalization;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// How <see cref="AdapterLibrary.Combine"/> makes one adapter of several, with weights w and scalings s. The methods and their
/// names are those of huggingface/peft's <c>add_weighted_adapter</c>.
/// </summary>
public sealed record AdapterCombination
{
    private AdapterCombination(AdapterCombinationKind kind) => Kind = kind;

    internal AdapterCombinationKind Kind { get; }

    /// <summary>The rank of the result; null for the largest rank combined. For <see cref="Svd"/> and <see cref="TiesSvd"/>.</summary>
    public int? Rank { get; private init; }

    /// <summary>The part of the elements that each adapter keeps, in (0, 1]. For <see cref="Ties"/> and <see cref="TiesSvd"/>.</summary>
    public double? Density { get; private init; }

    /// <summary>How the sign of an element is elected. For <see cref="Ties"/> and <see cref="TiesSvd"/>.</summary>
    public MajoritySign MajoritySign { get; private init; }

    /// <summary>
    /// The factors added up, each times √|w·s| (the sign of w goes to A): A = Σ √|w·s|·A, B = Σ √|w·s|·B. Needs one rank, and keeps
    /// it. The product has cross terms between the adapters: it is not the sum of their changes.
    /// </summary>
    public static AdapterCombination Linear() => new(AdapterCombinationKind.Linear);

    /// <summary>The factors side by side: exactly Σ w·s·B·A, at the sum of the ranks (or the layer's smaller side, where that is less).</summary>
    public static AdapterCombination Concatenation() => new(AdapterCombinationKind.Concatenation);

    /// <summary>The best adapter of a rank for Σ w·s·B·A, by singular values.</summary>
    /// <param name="rank">The rank wanted; null for the largest combined.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="rank"/> is below 1.</exception>
    public static AdapterCombination Svd(int? rank = null) => new(AdapterCombinationKind.Svd) { Rank = Checked(rank) };

    /// <summary>TIES (arXiv 2306.01708) on A and B each by itself. Needs one rank, and keeps it; as <see cref="Linear"/>, not a sum of changes.</summary>
    /// <param name="density">The part of the elements that each adapter keeps, in (0, 1].</param>
    /// <param name="majoritySign">How the sign of an element is elected.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="density"/> is out of range.</exception>
    public static AdapterCombination Ties(double density = 0.2, MajoritySign majoritySign = MajoritySign.Total) =>
        new(AdapterCombinationKind.Ties) { Density = Checked(density), MajoritySign = majoritySign };

    /// <summary>TIES on the changes s·B·A, as its paper has it, then the best adapter of a rank for the outcome.</summary>
    /// <param name="density">The part of the elements that each adapter keeps, in (0, 1].</param>
    /// <param name="rank">The rank wanted; null for the largest combined.</param>
    /// <param name="majoritySign">How the sign of an element is elected.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public static AdapterCombination TiesSvd(double density = 0.2, int? rank = null, MajoritySign majoritySign = MajoritySign.Total) =>
        new(AdapterCombinationKind.TiesSvd) { Density = Checked(density), Rank = Checked(rank), MajoritySign = majoritySign };

    /// <summary>Reads <c>linear</c>, <c>cat</c>, <c>svd</c>, <c>ties</c> or <c>ties-svd</c>, with settings after a colon: <c>svd:rank=8</c>, <c>ties:density=0.3,sign=frequency</c>.</summary>
    /// <param name="text">Name and settings.</param>
    /// <exception cref="ArgumentException">The name or a setting is unknown, or a value does not fit; the message says what there is.</exception>
    public static AdapterCombination Parse(string text)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(text);
        var (name, rest) = text.Split(':', 2) is { Length: 2 } both ? (both[0], both[1]) : (text, "");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var setting in rest.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            if (setting.Split('=', 2, StringSplitOptions.TrimEntries) is not { Length: 2 } pair || !settings.TryAdd(pair[0], pair[1]))
                throw new ArgumentException($"'{setting}' in '{text}' is no setting of its own: write name=value, each once.", nameof(text));
        var method = name.Trim() switch
        {
            "linear" => Linear(),
            "cat" => Concatenation(),
            "svd" => Svd(Rank()),
            "ties" => Ties(Density(), Sign()),
            "ties-svd" => TiesSvd(Density(), Rank(), Sign()),
            _ => throw new ArgumentException($"'{name}' is no way to combine adapters: choose linear, cat, svd, ties or ties-svd.", nameof(text)),
        };
        return settings.Count == 0 ? method
            : throw new ArgumentException($"'{name}' has no setting '{settings.Keys.First()}': svd has rank; ties density and sign; ties-svd density, rank and sign.", nameof(text));

        int? Rank() => !settings.Remove("rank", out var value) ? null
            : int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var rank) ? rank : throw Bad("rank", value, "a whole number");

        double Density() => !settings.Remove("density", out var value) ? 0.2
            : double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var density) ? density : throw Bad("density", value, "a number");

        MajoritySign Sign() => !settings.Remove("sign", out var value) ? MajoritySign.Total : value switch
        {
            "total" => MajoritySign.Total,
            "frequency" => MajoritySign.Frequency,
            _ => throw Bad("sign", value, "total or frequency"),
        };

        ArgumentException Bad(string setting, string value, string expected) => new($"{setting} = '{value}' in '{text}' does not fit: expected {expected}.", nameof(text));
    }

    /// <summary>The text that <see cref="Parse"/> reads.</summary>
    public override string ToString()
    {
        var settings = new List<string>();
        if (Density is { } density)
            settings.Add(string.Create(CultureInfo.InvariantCulture, $"density={density}"));
        if (Rank is { } rank)
            settings.Add(string.Create(CultureInfo.InvariantCulture, $"rank={rank}"));
        if (MajoritySign == MajoritySign.Frequency)
            settings.Add("sign=frequency");
        var name = Kind switch
        {
            AdapterCombinationKind.Linear => "linear",
            AdapterCombinationKind.Concatenation => "cat",
            AdapterCombinationKind.Svd => "svd",
            AdapterCombinationKind.Ties => "ties",
            _ => "ties-svd",
        };
        return settings.Count == 0 ? name : $"{name}:{string.Join(',', settings)}";
    }

    private static int? Checked(int? rank) => rank is null or >= 1 ? rank
        : throw new ArgumentOutOfRangeException(nameof(rank), rank, "The rank of the combined adapter must be at least 1.");

    private static double Checked(double density) => density is > 0 and <= 1 ? density
        : throw new ArgumentOutOfRangeException(nameof(density), density, "The density must lie above 0 and be at most 1.");
}

/// <summary>How TIES elects the sign of an element.</summary>
public enum MajoritySign
{
    /// <summary>The sign of the sum: the larger mass wins. As the paper has it.</summary>
    Total,

    /// <summary>The sign that more adapters have.</summary>
    Frequency,
}

/// <summary>The kinds of <see cref="AdapterCombination"/>.</summary>
internal enum AdapterCombinationKind
{
    Linear,
    Concatenation,
    Svd,
    Ties,
    TiesSvd,
}
