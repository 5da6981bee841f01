using Spectre.Console;

namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>A text with the confidence of its likeliest classes as bars.</summary>
internal static class PredictionBars
{
    private const int Width = 30;
    private const int Shortest = 5;

    // Indent, gaps and the number.
    private const int Around = 15;

    /// <summary>
    /// Shows the <paramref name="top"/> likeliest; <paramref name="scores"/> are probabilities in the order of <paramref name="classes"/>.
    /// <paramref name="labels"/> are those predicted, where several may be; they then stand below in words.
    /// </summary>
    public static void Write(
        Terminal terminal, string text, IReadOnlyList<string> classes, IReadOnlyList<float> scores, int top = 3, IReadOnlyList<string>? labels = null)
    {
        int nameWidth = Math.Min(classes.Max(c => c.Length), Math.Max(8, terminal.Width - Shortest - Around));
        int barWidth = Math.Clamp(terminal.Width - nameWidth - Around, Shortest, Width);
        var order = Enumerable.Range(0, classes.Count).OrderByDescending(i => scores[i]).Take(top).ToArray();
        Line(terminal, $"\n  “{text}”", "italic");
        for (int i = 0; i < order.Length; i++)
        {
            float score = scores[order[i]];
            var bar = new string('█', (int)Math.Round(score * barWidth)).PadRight(barWidth, '░');
            Line(terminal, $"    {TextTable.Short(classes[order[i]], nameWidth).PadRight(nameWidth)}  {bar} {score,6:0.0 %}", (labels?.Contains(classes[order[i]]) ?? i == 0) ? "green" : "grey");
        }
        if (labels is not null)
            Line(terminal, $"    labels: {(labels.Count > 0 ? string.Join(", ", labels) : "none")}", "default");
    }

    private static void Line(Terminal terminal, string line, string style)
    {
        if (terminal.Live)
            terminal.Console.MarkupLine($"[{style}]{Markup.Escape(line)}[/]");
        else
            terminal.Output.WriteLine(line);
    }
}
