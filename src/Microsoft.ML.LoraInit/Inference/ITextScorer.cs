namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Texts in, logits out.</summary>
internal interface ITextScorer : IWindowScorer<TextPair, float[]>, IDisposable
{
    /// <summary>A row of logits for each text, in their order. May be called from several threads at once.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    float[][] Score(IReadOnlyList<TextPair> texts);

    /// <summary>
    /// The logits of one text. Rows that several threads ask for at once may be scored together; such a call waits for
    /// others' rows, never for others' errors.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    float[] ScoreOne(TextPair text) => Score([text])[0];

    /// <summary>Starts to score a window of rows, as far as that needs no waiting.</summary>
    /// <param name="texts">The rows; not changed until the result is disposed of.</param>
    ScoringRun<float[]> Begin(IReadOnlyList<TextPair> texts) => new DeferredRun<float[]>(() => Score(texts));

    float[] IWindowScorer<TextPair, float[]>.ScoreOne(TextPair row, long position) => ScoreOne(row);

    ScoringRun<float[]> IWindowScorer<TextPair, float[]>.Begin(IReadOnlyList<TextPair> rows, long first) => Begin(rows);
}

/// <summary>One text, or two.</summary>
/// <param name="First">The text; empty where it is missing.</param>
/// <param name="Second">The second text, or null for a model of single texts.</param>
internal readonly record struct TextPair(string First, string? Second)
{
    /// <summary>Whether nothing is said: no text, or white space alone; of a pair in both.</summary>
    public bool IsBlank => string.IsNullOrWhiteSpace(First) && string.IsNullOrWhiteSpace(Second);

    /// <summary>Of both.</summary>
    public int Characters => First.Length + (Second?.Length ?? 0);
}
