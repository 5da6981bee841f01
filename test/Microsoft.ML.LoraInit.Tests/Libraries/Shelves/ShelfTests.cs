using Microsoft.ML.LoraInit.Libraries.Shelves;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Libraries.Shelves;

[TestClass]
public sealed class ShelfTests
{
    [TestMethod]
    public void WhatIsPutInStaysAsItIsWhileTheShelfGrows()
    {
        var shelf = NewShelf();
        var places = Enumerable.Range(0, 50).Select(i => Put(shelf, i)).ToArray();
        Assert.AreEqual(50, places.Distinct().Count());
        for (int i = 0; i < places.Length; i++)
            CollectionAssert.AreEqual(new float[] { i, i + 0.5f, -i }, Get(shelf, places[i]));
    }

    [TestMethod]
    public void APlaceThatIsGivenBackIsUsedAgain()
    {
        var shelf = NewShelf();
        var places = Enumerable.Range(0, 4).Select(i => Put(shelf, i)).ToArray();
        shelf.Remove(places[1]);
        Assert.AreEqual(places[1], Put(shelf, 9));
        Assert.AreEqual(4, shelf.Capacity);
        CollectionAssert.AreEqual(new[] { 9, 9.5f, -9 }, Get(shelf, places[1]));
    }

    [TestMethod]
    public void AGrowingShelfIsCopiedNowAndThenAndNotForEachAdapter()
    {
        var shelf = NewShelf();
        var capacities = new List<int>();
        for (int i = 0; i < 1000; i++)
        {
            Put(shelf, i);
            capacities.Add(shelf.Capacity);
        }
        Assert.IsTrue(capacities.Distinct().Count() < 20 && capacities[^1] < 1600, string.Join(' ', capacities.Distinct()));
    }

    [TestMethod]
    [DoNotParallelize]
    public void WhoReadsKeepsTheTensorsOfAShelfThatGrowsOrEmpties()
    {
        long before = LiveTensors.Count();
        var shelf = NewShelf();
        int place = Put(shelf, 3);
        var (parts, use) = shelf.Read();
        var others = Enumerable.Range(4, 10).Select(i => Put(shelf, i)).ToArray();
        foreach (int other in others)
            shelf.Remove(other);
        shelf.Remove(place);
        using (NewDisposeScope())
            Assert.AreEqual(3, parts[0][place, 0].item<float>());
        use.Dispose();
        Assert.AreEqual(0, shelf.Capacity);
        LiveTensors.AssertNoMoreThan(before);
    }

    private static Shelf NewShelf() => new([2, 1], ScalarType.Float32, CPU);

    private static int Put(Shelf shelf, int value)
    {
        using var values = tensor(new[] { value, value + 0.5f, -value });
        return shelf.Add(values);
    }

    private static float[] Get(Shelf shelf, int place)
    {
        using var scope = NewDisposeScope();
        var (parts, use) = shelf.Read();
        using (use)
            return [.. parts.SelectMany(p => p[place].data<float>().ToArray())];
    }
}
