using Microsoft.ML.LoraInit.Libraries;
using Microsoft.ML.LoraInit.Libraries.Shelves;

namespace Microsoft.ML.LoraInit.Tests.Libraries.Shelves;

[TestClass]
public sealed class ShelvedBatchTests
{
    [TestMethod]
    public void ABatchHasAsManySlicesAsFormsHoweverManyAdapters()
    {
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini, new() { OnShelves = true });
        foreach (int i in Enumerable.Range(0, 24))
            using (var model = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b", "c"), i, s => s with { Rank = 3 + (i % 4 * 6) }))
                library.Add($"{i}", model);
        using var scope = TorchSharp.torch.NewDisposeScope();
        var adapters = (IReadOnlyDictionary<string, LibraryAdapter>)library.Version;

        using var batch = library.Base.Predictor.Store.Begin([.. adapters.Values.Select(a => a.Weights)]);

        // Ranks 3, 9, 15 and 21 are filled up to 8, 16 and 32.
        CollectionAssert.AreEquivalent(new[] { 6, 12, 6 }, batch.Slices.Select(s => s.Rows).ToArray());
        Assert.AreEqual(1, batch.Slices.Select(s => ((ShelfSlice)s.Adapter).Corrects(0, [LoraInit.Roberta.EncoderModule.Query])).Distinct().Count());
    }

    [TestMethod]
    [DoNotParallelize]
    public void ARemovedAdaptersPlaceIsFreeOnceItsCallsHaveEnded()
    {
        long before = LiveTensors.Count();
        using (var library = AdapterLibrary.Create(RobertaCheckpoint.Mini, new() { OnShelves = true }))
        {
            long empty = LiveTensors.Count();
            using (var model = MadeUpModels.Create("dora", MadeUpModels.Binary(), 1))
                library.Add("x", model);
            Assert.IsTrue(library.Remove("x"));
            LiveTensors.AssertNoMoreThan(empty);
        }
        LiveTensors.AssertNoMoreThan(before);
    }
}
