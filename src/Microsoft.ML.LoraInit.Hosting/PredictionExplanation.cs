namespace Microsoft.ML.LoraInit.Hosting;

/// <summary>What each word of a text did to each of the model's scores.</summary>
/// <param name="Outputs">The names of the scores: the classes' or labels', <c>true</c>, or <c>Score</c>; numbers from 0 where there are no names.</param>
/// <param name="Words">The words that the model read, in the text's order.</param>
/// <param name="Method">How it was computed.</param>
public sealed record PredictionExplanation(IReadOnlyList<string> Outputs, IReadOnlyList<WordAttribution> Words, WordAttributionMethod Method);

/// <summary>A word, where it is in the text, and what it did to each score.</summary>
/// <param name="Text">The word's characters.</param>
/// <param name="Start">Its first character in the text.</param>
/// <param name="Length">Its length in UTF-16 characters.</param>
/// <param name="IsSecondText">Whether it is one of the second text of a pair.</param>
/// <param name="Attributions">A number an output: above 0 where the word raised it.</param>
public sealed record WordAttribution(string Text, int Start, int Length, bool IsSecondText, IReadOnlyList<double> Attributions);

/// <summary>How words' parts in a score are computed.</summary>
public enum WordAttributionMethod
{
    /// <summary>Integrated gradients (arXiv 1703.01365), in logits: they add up to the score's distance from the baseline's.</summary>
    IntegratedGradients,

    /// <summary>
    /// The score less the score without the word (arXiv 1612.08220): in the logarithm of the probability for classes, otherwise in the
    /// units of the column Score. They do not add up.
    /// </summary>
    LeftOut,
}
