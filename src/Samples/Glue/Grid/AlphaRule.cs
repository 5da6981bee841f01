using System.Globalization;

namespace Microsoft.ML.LoraInit.Samples.Glue.Grid;

/// <summary>An alpha for every rank: a number, or a multiple of the rank (<c>r</c>, <c>2r</c>), by which grids over ranks keep alpha / r.</summary>
internal readonly record struct AlphaRule(double Value, bool TimesRank = false)
{
    public static implicit operator AlphaRule(double value) => new(value);

    /// <exception cref="ArgumentException">It is neither.</exception>
    public static AlphaRule Parse(string text)
    {
        var timesRank = text.EndsWith('r');
        var number = timesRank ? text[..^1] : text;
        if (timesRank && number.Length == 0)
            return new(1, true);
        return double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value) && value > 0
            ? new(value, timesRank)
            : throw new ArgumentException($"--alphas: '{text}' is neither a number above 0 nor a multiple of the rank such as r or 2r.");
    }

    public double For(int rank) => TimesRank ? Value * rank : Value;
}
