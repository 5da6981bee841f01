namespace Microsoft.ML.LoraInit.Samples.Pages.Run;

/// <summary>Cuts a row's texts into words, each with what it added to the answer given.</summary>
internal static class ErrorExplainer
{
    /// <param name="model">The trained part of a model.</param>
    /// <param name="row">The row.</param>
    /// <returns>The texts in order, nothing left out; a line break between two.</returns>
    public static IReadOnlyList<(string Text, double Part)> Explain(LoraTextTransformer model, JudgedRow row)
    {
        var explanation = model.Explain(row.Row.Text, row.Row.Text2);
        var words = explanation.ByWord();
        var parts = Parts(row.Row.Text, words.Where(w => !w.IsSecondText), row);
        if (row.Row.Text2 is { } second)
            parts = [.. parts, ("\n", 0), .. Parts(second, words.Where(w => w.IsSecondText), row)];
        return parts;
    }

    private static List<(string Text, double Part)> Parts(string text, IEnumerable<TokenAttribution> words, JudgedRow row)
    {
        var parts = new List<(string, double)>();
        int at = 0;
        foreach (var word in words.Where(w => w.Length > 0).OrderBy(w => w.Start))
        {
            if (word.Start > at)
                parts.Add((text[at..word.Start], 0));
            int from = Math.Max(at, word.Start);
            at = Math.Max(at, word.Start + word.Length);
            parts.Add((text[from..at], row.Sign * word.Attributions[row.Output]));
        }
        if (at < text.Length)
            parts.Add((text[at..], 0));
        return parts;
    }
}
