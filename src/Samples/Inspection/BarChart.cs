using System.Globalization;
using System.Text;

namespace Microsoft.ML.LoraInit.Samples.Inspection;

/// <summary>Bars in groups as one SVG element: readable without scripts, in print, and in the page's colours.</summary>
internal static class BarChart
{
    private const int Height = 260;
    private const int Left = 64;
    private const int Right = 12;
    private const int Top = 12;
    private const int Bottom = 34;
    private const int Bar = 15;
    private const int Gap = 14;
    private const int LeastWidth = 480;

    /// <param name="label">What is shown, for those who cannot see it.</param>
    /// <param name="categories">Names of the groups.</param>
    /// <param name="axis">What the groups are.</param>
    /// <param name="series">Names and values of the bars in each group, one a category; null leaves a bar out.</param>
    /// <param name="isShare">Whether the axis ends at 1.</param>
    public static string Draw(string label, IReadOnlyList<string> categories, string axis, IReadOnlyList<(string Name, IReadOnlyList<double?> Values)> series, bool isShare)
    {
        var largest = series.SelectMany(s => s.Values).Max() ?? 0;
        // A share's axis goes to 1 only where that leaves the bars visible.
        var ticks = isShare && largest > 0.4 ? [0, 0.25, 0.5, 0.75, 1] : Ticks(largest);
        var group = (series.Count * Bar) + Gap;
        var width = Math.Max(LeastWidth, Left + Right + (categories.Count * group));
        var step = (double)(width - Left - Right) / categories.Count;
        double Y(double value) => Height - Bottom - (value / ticks[^1] * (Height - Top - Bottom));

        var svg = new StringBuilder();
        svg.Append(Invariant($"<svg viewBox=\"0 0 {width} {Height}\" style=\"min-width:{width}px\" role=\"img\" aria-label=\"{Page.Encode(label)}\">\n"));
        foreach (var tick in ticks)
        {
            svg.Append(Invariant($"<line class=\"grid\" x1=\"{Left}\" x2=\"{width - Right}\" y1=\"{Y(tick):0.#}\" y2=\"{Y(tick):0.#}\"/>"));
            svg.Append(Invariant($"<text class=\"tick\" text-anchor=\"end\" x=\"{Left - 8}\" y=\"{Y(tick) + 4:0.#}\">{Page.Encode(TickText(tick, ticks[^1]))}</text>\n"));
        }
        for (int c = 0; c < categories.Count; c++)
        {
            var middle = Left + (step * (c + 0.5));
            for (int s = 0; s < series.Count; s++)
            {
                if (series[s].Values[c] is not { } value)
                    continue;
                var x = middle + ((s - (series.Count / 2.0)) * Bar) + 1;
                // A value that is not zero leaves a mark, however small.
                var height = value > 0 ? Math.Max(Y(0) - Y(value), 1) : 0;
                svg.Append(Invariant($"<rect class=\"s{s % Page.Colours}\" x=\"{x:0.#}\" y=\"{Y(0) - height:0.#}\" width=\"{Bar - 2}\" height=\"{height:0.#}\" rx=\"2\"><title>{axis} {Page.Encode(categories[c])}, {Page.Encode(series[s].Name)}: {Page.Encode(Measure.Text(value))}</title></rect>\n"));
            }
            svg.Append(Invariant($"<text class=\"tick\" text-anchor=\"middle\" x=\"{middle:0.#}\" y=\"{Height - Bottom + 16}\">{Page.Encode(categories[c])}</text>\n"));
        }
        svg.Append(Invariant($"<text class=\"tick\" text-anchor=\"end\" x=\"{width - Right}\" y=\"{Height - 4}\">{Page.Encode(axis)}</text>\n</svg>"));
        return svg.ToString();
    }

    /// <summary>About five round numbers from 0 to at least the largest value.</summary>
    internal static double[] Ticks(double largest)
    {
        if (!(largest > 0))
            return [0, 1];
        var magnitude = Math.Pow(10, Math.Floor(Math.Log10(largest / 4)));
        var distance = magnitude * new[] { 1, 2, 2.5, 5, 10 }.First(f => f * magnitude * 4 >= largest * 0.999999);
        // Multiples by division: 3 · 0.1 would show its rounding.
        return [.. Enumerable.Range(0, (int)Math.Ceiling((largest / distance) - 1e-6) + 1).Select(i => Math.Round(i * distance / magnitude, 6) * magnitude)];
    }

    // One axis does not mix powers of ten with decimals.
    private static string TickText(double tick, double end) =>
        end is >= 1e-3 and < 1e5 ? tick.ToString("0.######", CultureInfo.InvariantCulture) : Measure.Text(tick);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
