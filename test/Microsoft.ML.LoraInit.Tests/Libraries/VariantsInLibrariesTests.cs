namespace Microsoft.ML.LoraInit.Tests.Libraries;

/// <summary>Variants of LoRA beside each other and plain LoRA in one library: each as the plain LoRA that it is.</summary>
[TestClass]
public sealed class VariantsInLibrariesTests
{
    private static readonly string[] Variants =
        ["lora", "adalora", "loha", "lokr", "lokr:factor=2,both=true", "sora:threshold=0.01", "lora-pro", "kasa", "dylora:use=2", "melora", "sd-lora", "beamlora:every=2", "alora:rounds=2", "rm-lora", "prolora"];

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void RowsScoreAsEachVariantsOwnModel(bool onShelves)
    {
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini, new() { OnShelves = onShelves });
        var texts = MadeUpModels.Texts.Take(6).ToArray();
        foreach (var variant in Variants)
        {
            using var model = Model(variant);
            library.Add(variant, model);
            foreach (var (text, found) in texts.Zip(library.Predict(variant, texts)))
                AdapterLibraryTests.Near(AdapterLibraryTests.Expected(model.Model, new(text, null)), found.Score, variant);
        }
    }

    [TestMethod]
    public void WhatIsNoPlainLoraIsRefusedByItsName()
    {
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        using var model = Model("rosa:density=0.1");
        StringAssert.StartsWith(Assert.ThrowsExactly<NotSupportedException>(() => library.Add("sparse", model)).Message, "The adapter 'sparse' is no plain LoRA. What the kind 'rosa' adds");
        library.Add("nearest", model, rank: 8);
        Assert.IsTrue(library["nearest"].Modules.All(m => m.Rank == 8));
    }

    private static LoraTextTransformer Model(string method) => MadeUpModels.Create(method, MadeUpModels.Multiclass("a", "b", "c"), 1);
}
