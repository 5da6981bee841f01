using Microsoft.ML.LoraInit.Data.Batching;

namespace Microsoft.ML.LoraInit.Tests.Data.Batching;

[TestClass]
public sealed class BatchPlannerTests
{
    private static int[] Lengths(int count)
    {
        var random = new SeededRandom(5);
        return [.. Enumerable.Range(0, count).Select(_ => 5 + random.Next(random.Next(4) == 0 ? 200 : 40))];
    }

    [TestMethod]
    [DataRow(1, 8)]
    [DataRow(8, 8)]
    [DataRow(1003, 1)]
    [DataRow(1003, 8)]
    [DataRow(5000, 32)]
    [DataRow(70, int.MaxValue)]
    public void EveryRowIsInOneBatchAndOneBatchAtMostIsNotFull(int count, int batchSize)
    {
        foreach (var batches in (IReadOnlyList<int[]>[])[BatchPlanner.Shuffled(Lengths(count), batchSize, 0, 1), BatchPlanner.ByLength(Lengths(count), batchSize)])
        {
            CollectionAssert.AreEqual(Enumerable.Range(0, count).ToArray(), batches.SelectMany(b => b).Order().ToArray());
            Assert.IsTrue(batches.All(b => b.Length <= batchSize));
            Assert.IsTrue(batches.Count(b => b.Length < batchSize) <= 1);
        }
    }

    [TestMethod]
    public void TheOrderDependsOnSeedAndEpochAlone()
    {
        var lengths = Lengths(700);
        string Order(int seed, int epoch) => string.Join(";", BatchPlanner.Shuffled(lengths, 16, seed, epoch).Select(b => string.Join(",", b)));
        Assert.AreEqual(Order(3, 2), Order(3, 2));
        Assert.AreNotEqual(Order(3, 2), Order(3, 1));
        Assert.AreNotEqual(Order(3, 2), Order(4, 2));
    }

    [TestMethod]
    public void TheOrderOfTheFirstBatchesIsFixedForEver()
    {
        // A resumed run computes the order again, perhaps with a later version of this code.
        var batches = BatchPlanner.Shuffled([5, 9, 5, 7, 6, 8, 5, 9, 4, 7], 3, 42, 1);
        Assert.AreEqual("6,4,3 | 8,0,2 | 9,5,7 | 1", string.Join(" | ", batches.Select(b => string.Join(",", b))));
    }

    [TestMethod]
    public void BucketsSaveMostPadding()
    {
        var lengths = Lengths(6000);
        long tokens = lengths.Sum();
        long bucketed = Padded(BatchPlanner.Shuffled(lengths, 32, 0, 0));
        long random = Padded([.. new SeededRandom(1).Permutation(lengths.Length).Chunk(32)]);
        Assert.IsTrue(bucketed < 1.05 * tokens, $"{bucketed} tokens with padding, {tokens} without");
        Assert.IsTrue(random > 2 * tokens, $"{random}: the lengths do not vary enough for this test.");

        long Padded(IReadOnlyList<int[]> batches) => batches.Sum(b => (long)b.Length * b.Max(row => lengths[row]));
    }

    [TestMethod]
    public void BatchesComeInNoOrderOfLength()
    {
        var lengths = Lengths(3200);
        var means = BatchPlanner.Shuffled(lengths, 32, 0, 0).Select(b => b.Average(row => lengths[row])).ToArray();
        int rises = Enumerable.Range(1, means.Length - 1).Count(i => means[i] > means[i - 1]);
        Assert.IsTrue(rises > 25 && rises < 75, $"{rises} of {means.Length - 1} batches are longer than the one before");
    }

    [TestMethod]
    public void ScoringBatchesAreBoundedByTokensAndSorted()
    {
        int[] lengths = [3, 100, 500, 7, 90, 512, 4];
        var batches = BatchPlanner.ByLength(lengths, 4, 200);
        Assert.AreEqual("5 | 2 | 1,4 | 3,6,0", string.Join(" | ", batches.Select(b => string.Join(",", b))));
    }

    [TestMethod]
    public void NoRowsMakeNoBatches()
    {
        Assert.AreEqual(0, BatchPlanner.Shuffled([], 8, 0, 0).Count);
        Assert.AreEqual(0, BatchPlanner.ByLength([], 8).Count);
    }
}
