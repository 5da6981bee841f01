namespace Microsoft.ML.LoraInit.Inference.Batching;

/// <summary>
/// Which rows are scored together. A batch costs a fixed part (calls, launches) and its tokens, padding included: the plan
/// with the least of both is found among those that keep the rows sorted by length.
/// </summary>
internal static class LengthPlan
{
    /// <summary>Batches of row numbers, the longest rows first, so that the memory of the first batch serves all others.</summary>
    /// <param name="lengths">Tokens a row, at least 1.</param>
    /// <param name="maxTokens">Tokens a batch at most, padding included; a single row may have more.</param>
    /// <param name="batchCost">What a batch costs beside its tokens, in tokens.</param>
    public static IReadOnlyList<int[]> Create(ReadOnlySpan<int> lengths, int maxTokens, int batchCost)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokens, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(batchCost);
        if (lengths.Length == 1)
            return [[0]];
        var order = new int[lengths.Length];
        var keys = new long[lengths.Length];
        for (int i = 0; i < order.Length; i++)
            (order[i], keys[i]) = (i, ((long)-lengths[i] << 32) | (uint)i); // equal lengths keep their order
        Array.Sort(keys, order);

        // cheapest[i]: of the rows from i on, the last of which are the shortest.
        var cheapest = new long[order.Length + 1];
        var next = new int[order.Length];
        for (int start = order.Length - 1; start >= 0; start--)
        {
            int length = lengths[order[start]];
            int most = Math.Min(order.Length, start + Math.Max(1, maxTokens / length));
            cheapest[start] = long.MaxValue;
            for (int end = start + 1; end <= most; end++)
            {
                long cost = batchCost + ((long)(end - start) * length) + cheapest[end];
                if (cost <= cheapest[start])
                    (cheapest[start], next[start]) = (cost, end);
            }
        }

        var batches = new List<int[]>();
        for (int start = 0; start < order.Length; start = next[start])
            batches.Add(order[start..next[start]]);
        return batches;
    }
}
