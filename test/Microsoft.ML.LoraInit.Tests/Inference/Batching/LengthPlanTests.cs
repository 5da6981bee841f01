using Microsoft.ML.LoraInit.Inference.Batching;

namespace Microsoft.ML.LoraInit.Tests.Inference.Batching;

[TestClass]
public sealed class LengthPlanTests
{
    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(512)]
    public void EveryRowIsInOneBatchWithinTheBudget(int count)
    {
        var random = new SeededRandom(3);
        var lengths = Enumerable.Range(0, count).Select(_ => 1 + random.Next(200)).ToArray();

        var batches = LengthPlan.Create(lengths, 1000, 50);

        CollectionAssert.AreEqual(Enumerable.Range(0, count).ToArray(), batches.SelectMany(b => b).Order().ToArray());
        foreach (var batch in batches)
            Assert.IsTrue(batch.Length * batch.Max(row => lengths[row]) <= 1000);
        var inOrder = batches.SelectMany(b => b).Select(row => lengths[row]).ToArray();
        CollectionAssert.AreEqual(inOrder.OrderDescending().ToArray(), inOrder);
    }

    [TestMethod]
    public void NoPlanOfSortedRowsIsCheaper()
    {
        int[] lengths = [3, 30, 4, 29, 3, 12, 13, 5, 31];
        const int Budget = 100, Cost = 20;
        var sorted = lengths.OrderDescending().ToArray();
        // Every way to cut nine sorted rows.
        int cheapest = Enumerable.Range(0, 1 << 8).Select(CostOf).Where(cost => cost >= 0).Min();

        int found = LengthPlan.Create(lengths, Budget, Cost).Sum(batch => Cost + (batch.Length * batch.Max(row => lengths[row])));

        Assert.AreEqual(cheapest, found);

        int CostOf(int cuts)
        {
            int total = 0;
            for (int start = 0, end = 1; end <= sorted.Length; end++)
            {
                if (end < sorted.Length && (cuts >> (end - 1) & 1) == 0)
                    continue;
                int tokens = (end - start) * sorted[start];
                if (tokens > Budget)
                    return -1;
                total += Cost + tokens;
                start = end;
            }
            return total;
        }
    }

    [TestMethod]
    public void RowsOfOneLengthStayTogetherAndKeepTheirOrder()
    {
        var batches = LengthPlan.Create([7, 7, 7, 7], 100, 10);
        Assert.AreEqual(1, batches.Count);
        CollectionAssert.AreEqual(new[] { 0, 1, 2, 3 }, batches[0]);
    }

    [TestMethod]
    public void ARowBeyondTheBudgetIsABatchOfItsOwn()
    {
        var batches = LengthPlan.Create([5, 500, 500], 100, 10);
        CollectionAssert.AreEqual(new[] { 1, 1, 1 }, batches.Select(b => b.Length).ToArray());
    }

    [TestMethod]
    public void ABatchThatCostsNothingHasNoPadding()
    {
        int[] lengths = [5, 6, 5, 6, 7];
        foreach (var batch in LengthPlan.Create(lengths, 100, 0))
            Assert.AreEqual(1, batch.Select(row => lengths[row]).Distinct().Count());
    }
}
