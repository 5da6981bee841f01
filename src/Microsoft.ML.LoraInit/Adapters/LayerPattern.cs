using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>
/// A regular expression over layer names, of a user or of a file from anywhere. Matched in linear time where the expression
/// allows it; with look-arounds or back references, which need backtracking, within a budget of time.
/// </summary>
internal sealed partial class LayerPattern
{
    private const int MaxLength = 4096;

    private readonly string _expression;
    private readonly Regex _regex;
    private readonly PatternBudget _budget;

    /// <param name="expression">As written, in Python's or .NET's notation.</param>
    /// <param name="frame">What is put around it; {0} stands for the expression.</param>
    /// <param name="budget">Shared by the patterns of one file; null for one of its own.</param>
    /// <exception cref="ArgumentException">The expression is not valid.</exception>
    public LayerPattern(string expression, string frame, PatternBudget? budget = null)
    {
        _expression = expression;
        if (expression.Length > MaxLength)
            throw new ArgumentException($"The expression \"{expression[..40]}…\" has {expression.Length} characters; the limit is {MaxLength}. Name the layers instead.");
        var whole = frame.Replace("{0}", FromPython(expression), StringComparison.Ordinal);
        try
        {
            _regex = new Regex(whole, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking, PatternBudget.Single);
        }
        catch (NotSupportedException)
        {
            _regex = new Regex(whole, RegexOptions.CultureInvariant, PatternBudget.Single);
        }
        _budget = budget ?? new PatternBudget();
    }

    /// <exception cref="ArgumentException">Matching takes too long.</exception>
    public bool IsMatch(string layer) => _budget.Spend(_expression, () => _regex.IsMatch(layer));

    /// <summary>The whole number in the pattern's last group; null where the layer does not match or there is none.</summary>
    /// <exception cref="ArgumentException">Matching takes too long.</exception>
    public int? Number(string layer) => _budget.Spend(_expression, () => _regex.Match(layer)) is { Success: true } match
        && int.TryParse(match.Groups["LayerNumber"].Value, System.Globalization.CultureInfo.InvariantCulture, out var number) ? number : null;

    // Named groups are written (?P<n>…) and (?P=n) there, the end of the text \Z.
    private static string FromPython(string expression) => PythonOnly().Replace(expression, match => match.Value switch
    {
        "(?P<" => "(?<",
        @"\Z" => @"\z",
        _ when match.Groups[1].Success => $@"\k<{match.Groups[1].Value}>",
        _ => match.Value,
    });

    // An escaped character is taken along, so that what follows a backslash is not misread.
    [GeneratedRegex(@"\\.|\(\?P<|\(\?P=(\w+)\)", RegexOptions.Singleline)]
    private static partial Regex PythonOnly();
}
