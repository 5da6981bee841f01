using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Data;

/// <summary>Rows tokenised once and kept in memory, with their targets.</summary>
/// <param name="Texts">Token ids a row; with <see cref="Windows"/> several for some rows, row after row.</param>
/// <param name="Labels">A class index (0-based), 0/1 for binary, or the value for regression; <see cref="LabelsPerRow"/> of them a row, row after row.</param>
/// <param name="Weights">Example weights, or null where every row weighs 1.</param>
internal sealed record TextDataset(EncodedText[] Texts, float[] Labels, float[]? Weights)
{
    public int Count => Windows?.Length ?? Texts.Length;

    /// <summary>How many of the texts each row has; null for one each.</summary>
    public int[]? Windows { get; init; }

    /// <summary>1, or the number of labels of a multi-label task (each 0 or 1).</summary>
    public int LabelsPerRow { get; init; } = 1;

    /// <summary>How many rows have a part that is in none of their texts.</summary>
    public int CutRows => ByRow().Count(row => row.Any(t => t.IsCut));

    /// <summary>The labels of some rows, in the rows' order.</summary>
    public float[] LabelsOf(IReadOnlyList<int> rows)
    {
        var labels = new float[rows.Count * LabelsPerRow];
        for (int i = 0; i < rows.Count; i++)
            Labels.AsSpan(rows[i] * LabelsPerRow, LabelsPerRow).CopyTo(labels.AsSpan(i * LabelsPerRow));
        return labels;
    }

    public TextDataset Take(IReadOnlyList<int> rows)
    {
        var texts = ByRow();
        return this with
        {
            Texts = [.. rows.SelectMany(i => texts[i])],
            Windows = Windows is null ? null : [.. rows.Select(i => Windows[i])],
            Labels = LabelsOf(rows),
            Weights = Weights is null ? null : [.. rows.Select(i => Weights[i])],
        };
    }

    /// <summary>Every window as a row of its own, with its row's labels and an equal part of its weight.</summary>
    public TextDataset Expanded()
    {
        if (Windows is null)
            return this;
        int[] owners = [.. Windows.SelectMany((count, row) => Enumerable.Repeat(row, count))];
        return this with { Windows = null, Labels = LabelsOf(owners), Weights = [.. owners.Select(row => (Weights?[row] ?? 1) / Windows[row])] };
    }

    /// <summary>The rows' logits: the mean of those of their texts.</summary>
    /// <param name="logits">Of each text.</param>
    public float[][] Combine(float[][] logits)
    {
        if (Windows is null)
            return logits;
        var result = new float[Windows.Length][];
        for (int row = 0, at = 0; row < result.Length; at += Windows[row++])
            result[row] = Mean(logits.AsSpan(at, Windows[row]));
        return result;
    }

    /// <summary>The mean of a row's windows, added up in double precision.</summary>
    public static float[] Mean(ReadOnlySpan<float[]> windows)
    {
        if (windows.Length == 1)
            return windows[0];
        var sums = new double[windows[0].Length];
        foreach (var window in windows)
            for (int i = 0; i < sums.Length; i++)
                sums[i] += window[i];
        int count = windows.Length;
        return Array.ConvertAll(sums, s => (float)(s / count));
    }

    private EncodedText[][] ByRow()
    {
        if (Windows is null)
            return Array.ConvertAll(Texts, t => new[] { t });
        var rows = new EncodedText[Windows.Length][];
        for (int row = 0, at = 0; row < rows.Length; at += Windows[row++])
            rows[row] = Texts[at..(at + Windows[row])];
        return rows;
    }
}
