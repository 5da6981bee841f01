using static Microsoft.ML.LoraInit.Tests.Libraries.AdapterLibraryRefusalTests;

namespace Microsoft.ML.LoraInit.Tests.Libraries;

/// <summary>Combined adapters within a library.</summary>
[TestClass]
public sealed class AdapterCombinationTests
{
    [TestMethod]
    [DataRow("linear")]
    [DataRow("cat")]
    [DataRow("svd:rank=3")]
    [DataRow("ties:density=0.5")]
    [DataRow("ties-svd:density=0.5")]
    public void ACombinedAdapterIsUsedSavedAndExportedAsAnyOther(string method)
    {
        var ml = new MLContext();
        using var folder = new TemporaryFolder();
        using var library = Library();
        var info = library.Combine("both", AdapterCombination.Parse(method), [("one", 0.6), ("two", 0.4)]);
        Assert.AreEqual("both", info.Name);
        CollectionAssert.AreEqual(new[] { "a", "b", "c" }, info.Labels.ToArray());
        Assert.IsTrue(info.Modules.All(m => m.Rank == (method == "cat" ? 8 : method.StartsWith("svd", StringComparison.Ordinal) ? 3 : 4)));

        using var model = library.CreateModel("both");
        model.SavePeftAdapter(folder.File("adapter"));
        library.Add("exported", folder.File("adapter"), new() { Labels = ["a", "b", "c"] });
        ml.Model.Save(model, ml.Data.LoadFromEnumerable(new[] { new { Text = "x" } }).Schema, folder.File("m.mlnet"));
        library.Add("saved", folder.File("m.mlnet"));
        library.Save(folder.File("library"));
        using var loaded = AdapterLibrary.Load(folder.File("library"));
        foreach (var text in MadeUpModels.Texts.Take(4))
        {
            var expected = library.Predict("both", text).Score;
            AdapterLibraryTests.Near(expected, AdapterLibraryTests.Expected(model.Model, new(text, null)), "merged");
            AdapterLibraryTests.Near(expected, library.Predict("exported", text).Score, "exported");
            AdapterLibraryTests.Near(expected, library.Predict("saved", text).Score, "saved");
            AdapterLibraryTests.Near(expected, loaded.Predict("both", text).Score, "loaded");
        }
    }

    [TestMethod]
    public void AnAdapterAloneWithWeightOneStaysItself()
    {
        using var library = Library();
        foreach (var method in (AdapterCombination[])[AdapterCombination.Linear(), AdapterCombination.Concatenation(), AdapterCombination.Svd(), AdapterCombination.TiesSvd(density: 1)])
        {
            library.Combine("again", method, [("one", 1)], replace: true);
            foreach (var text in MadeUpModels.Texts.Take(4))
                AdapterLibraryTests.Near(library.Predict("one", text).Score, library.Predict("again", text).Score, method.ToString());
        }
    }

    [TestMethod]
    public void PartsMustBeOfOneTask()
    {
        using var library = Library();
        using var other = MadeUpModels.Create("plain", MadeUpModels.Multiclass("x", "y", "z"), 3);
        using var pair = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b", "c"), 3, pair: true);
        using var binary = MadeUpModels.Create("plain", MadeUpModels.Binary(), 3);
        library.Add("other", other);
        library.Add("pair", pair);
        library.Add("binary", binary);
        foreach (var name in new[] { "other", "pair", "binary" })
            Says<ArgumentException>(() => library.Combine("both", AdapterCombination.Svd(), [("one", 1), (name, 1)]), "'one'", $"'{name}'", "one task");
        Says<ArgumentException>(() => library.Combine("both", AdapterCombination.Svd(), [("one", 1), ("none", 1)]), "'none'", "'one', 'other'");
        Says<ArgumentException>(() => library.Combine("both", AdapterCombination.Svd(), [("one", 1), ("one", 1)]), "'one'", "2 times");
        Says<ArgumentException>(() => library.Combine("both", AdapterCombination.Svd(), [("one", double.NaN)]), "'one'", "NaN");
        Says<ArgumentException>(() => library.Combine("both", AdapterCombination.Svd(), []), "no adapters");
        Says<ArgumentException>(() => library.Combine("one", AdapterCombination.Svd(), [("two", 1)]), "'one'", "replace");
        Assert.IsFalse(library.Names.Contains("both"));
    }

    private static AdapterLibrary Library()
    {
        var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        using var one = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b", "c"), 1, headSeed: 1);
        using var two = MadeUpModels.Create("subtract", MadeUpModels.Multiclass("a", "b", "c"), 2, s => s with { Rank = 2, Alpha = 3 }, headSeed: 1);
        library.Add("one", one);
        library.Add("two", two);
        return library;
    }
}
