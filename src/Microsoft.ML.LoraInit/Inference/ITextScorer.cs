namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Texts in, logits out.</summary>
internal interface ITextScorer : IDisposable
{
    /// <summary>A row of logits for each text, in their order. May be called from several threads at once.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    float[][] Score(IReadOnlyList<TextPair> texts);
}

/// <summary>One text, or two.</summary>
/// <param name="First">The text; empty where it is missing.</param>
/// <param name="Second">The second text, or null for a model of single texts.</param>
internal readonly record struct TextPair(string First, string? Second);
