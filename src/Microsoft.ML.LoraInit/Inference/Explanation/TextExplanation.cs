namespace Microsoft.ML.LoraInit;

/// <summary>What each token of a text added to each of the model's scores.</summary>
/// <remarks>
/// Scores are logits: one a class, one a label, the logit of true, or the value of a regression. A positive attribution raised the
/// score over that of the baseline, a negative one lowered it.
/// </remarks>
public sealed record TextExplanation
{
    internal TextExplanation(
        IReadOnlyList<string> outputs, IReadOnlyList<TokenAttribution> tokens, IReadOnlyList<double> scores, IReadOnlyList<double> baselineScores)
    {
        (Outputs, Tokens, Scores, BaselineScores) = (outputs, tokens, scores, baselineScores);
        Residuals = [.. outputs.Select((_, o) => scores[o] - baselineScores[o] - tokens.Sum(t => t.Attributions[o]))];
    }

    /// <summary>The names of the scores: the classes' or labels', <c>true</c>, or <c>Score</c>; numbers from 0 where there are no names.</summary>
    public IReadOnlyList<string> Outputs { get; }

    /// <summary>The tokens that the model read, in the text's order; those cut off at the maximum length are missing.</summary>
    public IReadOnlyList<TokenAttribution> Tokens { get; }

    /// <summary>The text's logits.</summary>
    public IReadOnlyList<double> Scores { get; }

    /// <summary>The baseline's logits.</summary>
    public IReadOnlyList<double> BaselineScores { get; }

    /// <summary>
    /// score − baseline score − sum of the attributions, for each output: the completeness check of integrated gradients. Far from
    /// 0 beside score − baseline score, more steps are needed.
    /// </summary>
    public IReadOnlyList<double> Residuals { get; }

    /// <summary>The index of an output by its name.</summary>
    /// <exception cref="ArgumentException">There is no such output.</exception>
    public int IndexOf(string output)
    {
        int index = Outputs.ToList().IndexOf(output);
        return index >= 0 ? index : throw new ArgumentException($"There is no output '{output}'; the model has {string.Join(", ", Outputs)}.", nameof(output));
    }

    /// <summary>The same with the tokens of a word as one: spans joined, attributions added.</summary>
    public IReadOnlyList<TokenAttribution> ByWord() =>
    [
        .. Tokens.GroupBy(t => (t.IsSecondText, t.Word)).Select(word => word.First() with
        {
            Text = string.Concat(word.Select(t => t.Text)),
            Length = word.Last().Start + word.Last().Length - word.First().Start,
            Attributions = [.. Outputs.Select((_, o) => word.Sum(t => t.Attributions[o]))],
        }),
    ];
}

/// <summary>A token, where it is in the text, and what it added to each score.</summary>
/// <remarks>A token is a run of bytes: where it ends within a character, its span takes in the whole character.</remarks>
public sealed record TokenAttribution
{
    /// <summary>The characters of the span; empty for a further token of a character that an earlier one began, and for a space before a word.</summary>
    public required string Text { get; init; }

    /// <summary>The span's first character in the text, without the space before a word.</summary>
    public required int Start { get; init; }

    /// <summary>The span's length in UTF-16 characters.</summary>
    public required int Length { get; init; }

    /// <summary>The number of the word (or run of digits, punctuation or spaces) that the token is part of, from 0 in each text.</summary>
    public required int Word { get; init; }

    /// <summary>Whether the token is one of the second text of a pair.</summary>
    public required bool IsSecondText { get; init; }

    /// <summary>What it added to each output, in the outputs' order, in logits.</summary>
    public required IReadOnlyList<double> Attributions { get; init; }
}
