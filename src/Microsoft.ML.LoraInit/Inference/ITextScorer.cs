namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Texts in, logits out.</summary>
internal interface ITextScorer : IDisposable
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
    ScoringRun Begin(IReadOnlyList<TextPair> texts) => new DeferredRun(this, texts);

    /// <summary>Everything happens when the scores are taken.</summary>
    private sealed class DeferredRun(ITextScorer scorer, IReadOnlyList<TextPair> texts) : ScoringRun
    {
        public override void Advance()
        {
        }

        public override float[][] Take() => scorer.Score(texts);
    }
}

/// <summary>One text, or two.</summary>
/// <param name="First">The text; empty where it is missing.</param>
/// <param name="Second">The second text, or null for a model of single texts.</param>
internal readonly record struct TextPair(string First, string? Second);
