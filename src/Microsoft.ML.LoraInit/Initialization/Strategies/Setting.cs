using System.Runtime.CompilerServices;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Initialization.Strategies;

/// <summary>Checks of strategies' settings, with messages that name the setting, what was given and what is allowed.</summary>
internal static class Setting
{
    public static int AtLeast(int value, int minimum, [CallerMemberName] string name = "") =>
        value >= minimum ? value : throw SettingRange.Error(name, value, $"at least {minimum}");

    public static double Positive(double value, [CallerMemberName] string name = "") =>
        value > 0 && double.IsFinite(value) ? value : throw SettingRange.Error(name, value, "a finite number above 0");

    public static double? Positive(double? value, [CallerMemberName] string name = "") =>
        value is { } given ? Positive(given, name) : null;

    public static double Between(double value, double minimum, double maximum, [CallerMemberName] string name = "") =>
        value >= minimum && value <= maximum ? value : throw SettingRange.Error(name, value, FormattableString.Invariant($"from {minimum} to {maximum}"));

    public static T Defined<T>(T value, [CallerMemberName] string name = "")
        where T : struct, Enum =>
        Enum.IsDefined(value) ? value : throw SettingRange.Error(name, value, $"one of {string.Join(", ", Enum.GetNames<T>())}");

    /// <summary>Refuses a rank that W [out, in] does not have room for.</summary>
    /// <param name="target">The layer.</param>
    /// <param name="strategy">The strategy's name.</param>
    /// <param name="needed">The rank that the strategy takes from the matrix; the target's own by default.</param>
    public static void RankFits(AdapterTarget target, string strategy, long? needed = null)
    {
        var limit = Math.Min(target.InFeatures, target.OutFeatures);
        var rank = needed ?? target.Rank;
        if (rank > limit)
            throw new ArgumentException($"The initialisation '{strategy}' needs {rank} directions of '{target.ModuleName}' (rank {target.Rank}), but its weight [{target.OutFeatures}, {target.InFeatures}] has only {limit}. Lower the rank.");
    }
}
