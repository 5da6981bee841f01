using Microsoft.ML.LoraInit.Libraries.Shelves;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Libraries.Shelves;

[TestClass]
public sealed class ShelfPlanTests
{
    private static readonly Shelf[] Shelves = [.. Enumerable.Range(0, 3).Select(_ => new Shelf([1L << 20], ScalarType.Float32, CPU))];

    [TestMethod]
    public void AThousandAdaptersOfThreeFormsAreFewRuns()
    {
        var places = Enumerable.Range(0, 60).Select(i => new ShelfPlace(Shelves[i % 3], i)).ToArray();
        var plan = ShelfPlan.Create(places);
        Assert.AreEqual(3, plan.Runs.Count);
        Check(plan, places);
    }

    [TestMethod]
    public void AnAdapterWithManyRowsIsARunOfItsOwn()
    {
        var places = Enumerable.Range(0, 40).Select(i => new ShelfPlace(Shelves[0], i % 2 == 0 ? 100 : i)).ToArray();
        var plan = ShelfPlan.Create(places);
        CollectionAssert.AreEqual(new[] { (100, 20), ((int?)null, 20) }, plan.Runs.Select(r => (r.Place, r.Rows)).ToArray());
        Check(plan, places);
    }

    [TestMethod]
    public void RowsWithoutAPlaceComeLastAndBelongToNoRun()
    {
        ShelfPlace?[] places = [null, new(Shelves[1], 0), null, new(Shelves[0], 0)];
        var plan = ShelfPlan.Create(places);
        CollectionAssert.AreEqual(new[] { 1, 3, 0, 2 }, plan.Order);
        Check(plan, places);
    }

    [TestMethod]
    public void ARunFetchesNoMoreThanItsShelfAllows()
    {
        var places = Enumerable.Range(0, 100).Select(i => new ShelfPlace(Shelves[0], i)).ToArray();
        var plan = ShelfPlan.Create(places);
        CollectionAssert.AreEqual(new[] { 32, 32, 32, 4 }, plan.Runs.Select(r => r.Rows).ToArray());
        Check(plan, places);
    }

    private static void Check(ShelfPlan plan, ShelfPlace?[] places)
    {
        CollectionAssert.AreEquivalent(Enumerable.Range(0, places.Length).ToArray(), plan.Order);
        var covered = plan.Runs.SelectMany(run => Enumerable.Range(run.Start, run.Rows).Select(i => (run, Row: plan.Order[i]))).ToArray();
        Assert.IsTrue(covered.All(c => places[c.Row]!.Shelf == c.run.Shelf && (c.run.Place ?? places[c.Row]!.Place) == places[c.Row]!.Place));
        Assert.AreEqual(places.Count(p => p is not null), covered.Select(c => c.Row).Distinct().Count());
    }
}
