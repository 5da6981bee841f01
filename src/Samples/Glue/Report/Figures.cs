using System.Globalization;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>Numbers as a report prints them.</summary>
internal static class Figures
{
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    /// <summary>A metric in percent, as the papers print it.</summary>
    public static string Percent(double value) => double.IsFinite(value) ? (100 * value).ToString("0.00;-0.00;0.00", Invariant) : "NaN";

    public static string Percent(Spread spread) =>
        spread.Deviation is { } d ? $"{Percent(spread.Mean)} ± {Percent(d)}" : Percent(spread.Mean);

    public static string Signed(double value) => double.IsFinite(value) ? (100 * value).ToString("+0.00;−0.00;0.00", Invariant) : "NaN";

    public static string Interval(Difference difference) =>
        difference is { Low: { } low, High: { } high } ? $"[{Signed(low)}, {Signed(high)}]" : "no interval";

    public static string Rate(double rate) => rate.ToString("0.####e-0", Invariant);

    public static string Seconds(double? seconds) => seconds switch
    {
        null => "–",
        < 10 => seconds.Value.ToString("0.00 s", Invariant),
        < 600 => seconds.Value.ToString("0 s", Invariant),
        _ => (seconds.Value / 60).ToString("0 min", Invariant),
    };

    public static string Count(double? count) => count?.ToString("#,0", Invariant) ?? "–";

    public static string Bytes(long? bytes) => bytes switch
    {
        null => "–",
        < 1L << 30 => (bytes.Value / (double)(1 << 20)).ToString("0 MiB", Invariant),
        _ => (bytes.Value / (double)(1 << 30)).ToString("0.00 GiB", Invariant),
    };
}
