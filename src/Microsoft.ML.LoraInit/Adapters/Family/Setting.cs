using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>Checks a method's settings as they are set.</summary>
internal static class Setting
{
    /// <exception cref="ArgumentOutOfRangeException">It is less.</exception>
    public static int AtLeast(int least, int value, string name) => value >= least ? value : throw SettingRange.Error(name, value, $"at least {least}");

    /// <exception cref="ArgumentOutOfRangeException">It is less.</exception>
    public static int? AtLeast(int least, int? value, string name) => value is null ? null : AtLeast(least, value.Value, name);

    /// <exception cref="ArgumentOutOfRangeException">It is no finite number of at least 0.</exception>
    public static double NotNegative(double value, string name) =>
        value >= 0 && double.IsFinite(value) ? value : throw SettingRange.Error(name, value, "a finite number of at least 0");

    /// <exception cref="ArgumentOutOfRangeException">It is no finite number above.</exception>
    public static double Above(double least, double value, string name) =>
        value > least && double.IsFinite(value) ? value : throw SettingRange.Error(name, value, FormattableString.Invariant($"a finite number above {least}"));

    /// <exception cref="ArgumentOutOfRangeException">It does not lie between.</exception>
    public static double Share(double value, string name) => value is > 0 and < 1 ? value : throw SettingRange.Error(name, value, "a number between 0 and 1");
}
