namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>Checks a method's settings as they are set.</summary>
internal static class Setting
{
    /// <exception cref="ArgumentOutOfRangeException">It is less.</exception>
    public static int AtLeast(int least, int value, string name) => value >= least ? value
        : throw new ArgumentOutOfRangeException(name, value, $"{name} = {value} is out of range: use at least {least}.");

    /// <exception cref="ArgumentOutOfRangeException">It is less.</exception>
    public static int? AtLeast(int least, int? value, string name) => value is null ? null : AtLeast(least, value.Value, name);

    /// <exception cref="ArgumentOutOfRangeException">It is no finite number of at least 0.</exception>
    public static double NotNegative(double value, string name) => value >= 0 && double.IsFinite(value) ? value
        : throw new ArgumentOutOfRangeException(name, value, FormattableString.Invariant($"{name} = {value} is out of range: use a finite number of at least 0."));

    /// <exception cref="ArgumentOutOfRangeException">It is no finite number above.</exception>
    public static double Above(double least, double value, string name) => value > least && double.IsFinite(value) ? value
        : throw new ArgumentOutOfRangeException(name, value, FormattableString.Invariant($"{name} = {value} is out of range: use a finite number above {least}."));

    /// <exception cref="ArgumentOutOfRangeException">It does not lie between.</exception>
    public static double Share(double value, string name) => value is > 0 and < 1 ? value
        : throw new ArgumentOutOfRangeException(name, value, FormattableString.Invariant($"{name} = {value} is out of range: use a number between 0 and 1."));
}
