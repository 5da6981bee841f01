using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Which linear layers of the encoder get adapters. PEFT's rules: a name chooses a layer that equals it or ends in
/// "." + name; an expression must match a layer's whole name.
/// </summary>
/// <remarks>
/// Layer names are those of the Hugging Face state dict, such as <c>roberta.encoder.layer.0.attention.self.query</c>,
/// <c>…attention.output.dense</c>, <c>…intermediate.dense</c>, <c>…output.dense</c>.
/// </remarks>
public sealed class TargetModules
{
    private readonly Func<string, bool> _matches;

    private TargetModules(string description, IReadOnlyList<string>? names, string? expression, Func<string, bool> matches)
    {
        Description = description;
        Names = names;
        Expression = expression;
        _matches = matches;
    }

    /// <summary>Query and value projections: the default of LoRA's paper and of PEFT for RoBERTa.</summary>
    public static TargetModules QueryValue { get; } = Named("query", "value");

    /// <summary>Every linear layer of the encoder (the head is trained in full anyway).</summary>
    public static TargetModules AllLinear { get; } = new("all-linear", null, null, _ => true);

    /// <summary>Layers whose name equals one of these or ends in "." + one of these.</summary>
    /// <exception cref="ArgumentException">No name is given, or one is empty.</exception>
    public static TargetModules Named(params string[] names)
    {
        ArgumentNullException.ThrowIfNull(names);
        if (names.Length == 0 || names.Any(string.IsNullOrWhiteSpace))
            throw new ArgumentException("TargetModules needs at least one name, and none may be empty; for example \"query\", \"value\".", nameof(names));
        return new(string.Join(",", names), [.. names], null,
            module => names.Any(n => module == n || module.EndsWith("." + n, StringComparison.Ordinal)));
    }

    /// <summary>Layers whose whole name matches a regular expression.</summary>
    /// <param name="expression">In .NET's notation or Python's (<c>(?P&lt;name&gt;…)</c>); matched in linear time unless it has look-arounds or back references, which get a bounded time.</param>
    /// <exception cref="ArgumentException">The expression is not valid.</exception>
    public static TargetModules Matching(string expression)
    {
        ArgumentNullException.ThrowIfNull(expression);
        return Matching(expression, null);
    }

    internal static TargetModules Matching(string expression, PatternBudget? budget) =>
        new($"/{expression}/", null, expression, new LayerPattern(expression, "^(?:{0})$", budget).IsMatch);

    /// <summary><c>all-linear</c>, a comma-separated list of names, or an expression between slashes.</summary>
    public static TargetModules Parse(string text)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(text);
        if (text == "all-linear")
            return AllLinear;
        return text.Length > 2 && text[0] == '/' && text[^1] == '/'
            ? Matching(text[1..^1])
            : Named(text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>Names are taken as <see cref="Named"/> takes them.</summary>
    public static implicit operator TargetModules(string[] names) => Named(names);

    /// <summary>The names chosen by, or null.</summary>
    public IReadOnlyList<string>? Names { get; }

    /// <summary>The regular expression chosen by, or null.</summary>
    public string? Expression { get; }

    /// <summary>What <see cref="Parse"/> reads back.</summary>
    public string Description { get; }

    /// <inheritdoc/>
    public override string ToString() => Description;

    internal bool Matches(string moduleName) => _matches(moduleName);
}
