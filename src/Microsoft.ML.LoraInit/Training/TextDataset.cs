using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Training;

/// <summary>Rows tokenised once and kept in memory, with their targets.</summary>
/// <param name="Texts">Token ids a row.</param>
/// <param name="Labels">A class index (0-based), 0/1 for binary, or the value for regression.</param>
/// <param name="Weights">Example weights, or null where every row weighs 1.</param>
internal sealed record TextDataset(EncodedText[] Texts, float[] Labels, float[]? Weights)
{
    public int Count => Texts.Length;

    public TextDataset Take(IReadOnlyList<int> rows) => new(
        [.. rows.Select(i => Texts[i])],
        [.. rows.Select(i => Labels[i])],
        Weights is null ? null : [.. rows.Select(i => Weights[i])]);
}
