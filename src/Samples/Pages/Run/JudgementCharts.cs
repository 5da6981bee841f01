using System.Globalization;

namespace Microsoft.ML.LoraInit.Samples.Pages.Run;

/// <summary>Predictions held against what is true.</summary>
internal static class JudgementCharts
{
    private const int MostPoints = 2000;

    /// <summary>Said and turned out, both from 0 to 1.</summary>
    public static Chart Reliability(IReadOnlyList<CalibrationBin> bins)
    {
        var found = bins.Where(b => b.Count > 0).ToArray();
        return new(
        [
            new("turned out", SeriesKind.Line, [.. found.Select(b => new double?[] { b.MeanProbability, b.Frequency })])
            {
                Colour = 0,
                Texts = [.. found.Select(b => string.Create(CultureInfo.InvariantCulture, $"{b.Frequency:0.0 %} of {b.Count}, said: {b.MeanProbability:0.0 %}"))],
            },
            new("as said", SeriesKind.Dashed, [[0, 0], [1, 1]]),
        ], Axis.Share("probability"), Axis.Share("frequency"))
        { Height = 300 };
    }

    public static Chart Counts(IReadOnlyList<CalibrationBin> bins) => new(
        [new("rows", SeriesKind.Bar, [.. bins.Select((b, i) => new double?[] { i, b.Count })]) { Colour = 0 }],
        new("probability", Labels: [.. bins.Select(b => string.Create(CultureInfo.InvariantCulture, $"{b.From:0.00}–{b.To:0.00}"))]), new("", 0))
    { Height = 300 };

    public static Chart Values(IReadOnlyList<JudgedRow> rows)
    {
        // Evenly taken: nobody sees more points than that.
        var shown = rows.Where((_, i) => i % ((rows.Count / MostPoints) + 1) == 0).ToArray();
        var (least, most) = (rows.Min(r => Math.Min(r.ActualValue, r.PredictedValue)), rows.Max(r => Math.Max(r.ActualValue, r.PredictedValue)));
        return new(
        [
            new("rows", SeriesKind.Dots, [.. shown.Select(r => new double?[] { r.ActualValue, r.PredictedValue })]) { Colour = 0 },
            new("the same", SeriesKind.Dashed, [[least, least], [most, most]]),
        ], new("true", least, most), new("predicted", least, most))
        { Height = 340 };
    }
}
