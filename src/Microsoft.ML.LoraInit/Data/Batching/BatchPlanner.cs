namespace Microsoft.ML.LoraInit.Data.Batching;

/// <summary>
/// Which rows make up which batch. Rows of like length go together, because a batch is as long as its longest row and
/// the rest of it is padding.
/// </summary>
internal static class BatchPlanner
{
    /// <summary>
    /// Batches among which lengths are sorted: large enough that a batch holds like lengths, small enough that its
    /// rows differ from epoch to epoch.
    /// </summary>
    private const int BatchesPerBucket = 50;

    /// <summary>
    /// One epoch's batches in a random order that depends on the seed and the epoch alone, so that a resumed run
    /// computes it again: a permutation of the rows is cut into buckets of 50 batches, each bucket sorted by length and
    /// cut into batches, and the batches are shuffled. Every row is in one batch, and at most one batch is not full.
    /// </summary>
    /// <param name="lengths">Tokens a row.</param>
    /// <param name="batchSize">Rows a batch.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="epoch">Any number that tells epochs apart.</param>
    public static IReadOnlyList<int[]> Shuffled(IReadOnlyList<int> lengths, int batchSize, int seed, int epoch)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        var random = new SeededRandom(SeededRandom.Hash(seed, $"epoch/{epoch}"));
        // The sort is stable: equal lengths keep the permutation's order.
        var batches = random.Permutation(lengths.Count)
            .Chunk((int)Math.Min(Array.MaxLength, (long)batchSize * BatchesPerBucket))
            .SelectMany(bucket => bucket.OrderBy(row => lengths[row]).Chunk(batchSize))
            .ToArray();
        random.Shuffle(batches.AsSpan());
        return batches;
    }

    /// <summary>How many batches <see cref="Shuffled"/> gives.</summary>
    public static int Count(int rows, int batchSize) => (int)(((long)rows + batchSize - 1) / batchSize);

    /// <summary>
    /// Batches for scoring: rows from the longest to the shortest, so that a batch that does not fit fails first and
    /// the memory of the first serves all others.
    /// </summary>
    /// <param name="lengths">Tokens a row.</param>
    /// <param name="batchSize">Rows a batch at most.</param>
    /// <param name="maxTokens">Tokens a batch at most, padding included; a single row may have more.</param>
    public static IReadOnlyList<int[]> ByLength(IReadOnlyList<int> lengths, int batchSize, int maxTokens = int.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokens, 1);
        var order = Enumerable.Range(0, lengths.Count).OrderByDescending(row => lengths[row]).ToArray();
        var batches = new List<int[]>();
        for (int start = 0; start < order.Length; start += batches[^1].Length)
        {
            int fitting = Math.Max(1, maxTokens / Math.Max(1, lengths[order[start]]));
            batches.Add(order[start..Math.Min(order.Length, start + Math.Min(batchSize, fitting))]);
        }
        return batches;
    }
}
