using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Data;

/// <summary>Rows tokenised once and kept in memory, with their targets.</summary>
/// <param name="Texts">Token ids a row.</param>
/// <param name="Labels">A class index (0-based), 0/1 for binary, or the value for regression; <see cref="LabelsPerRow"/> of them a row, row after row.</param>
/// <param name="Weights">Example weights, or null where every row weighs 1.</param>
internal sealed record TextDataset(EncodedText[] Texts, float[] Labels, float[]? Weights)
{
    public int Count => Texts.Length;

    /// <summary>1, or the number of labels of a multi-label task (each 0 or 1).</summary>
    public int LabelsPerRow { get; init; } = 1;

    /// <summary>The labels of some rows, in the rows' order.</summary>
    public float[] LabelsOf(IReadOnlyList<int> rows)
    {
        var labels = new float[rows.Count * LabelsPerRow];
        for (int i = 0; i < rows.Count; i++)
            Labels.AsSpan(rows[i] * LabelsPerRow, LabelsPerRow).CopyTo(labels.AsSpan(i * LabelsPerRow));
        return labels;
    }

    public TextDataset Take(IReadOnlyList<int> rows) => this with
    {
        Texts = [.. rows.Select(i => Texts[i])],
        Labels = LabelsOf(rows),
        Weights = Weights is null ? null : [.. rows.Select(i => Weights[i])],
    };
}
