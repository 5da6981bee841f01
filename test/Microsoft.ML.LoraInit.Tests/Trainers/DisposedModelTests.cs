using Microsoft.ML.LoraInit.Tests.Libraries;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

/// <summary>A model that an engine has disposed of.</summary>
[TestClass]
public class DisposedModelTests
{
    private readonly MLContext _ml = Topics.Context();

    [TestMethod]
    public void SavingItNamesTheOwnerAndLeavesTheOldFile()
    {
        using var folder = new TemporaryFolder();
        var (path, model) = (folder.File("model.mlnet"), Disposed());
        File.WriteAllText(path, "the old file");

        AssertNamesTheOwner(() => _ml.Model.SaveWhole(model, null, path));

        Assert.AreEqual("the old file", File.ReadAllText(path));
        Assert.HasCount(1, Directory.GetFiles(folder.Path));
    }

    [TestMethod]
    public void EveryOtherWayOfSavingItDoesToo()
    {
        using var folder = new TemporaryFolder();
        var model = Disposed();
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);

        AssertNamesTheOwner(() => _ml.Model.Save(model, null, Stream.Null));
        AssertNamesTheOwner(() => model.SavePeftAdapter(folder.File("peft")));
        AssertNamesTheOwner(() => model.SaveMergedModel(folder.File("merged")));
        AssertNamesTheOwner(() => model.SaveOnnxModel(folder.File("model.onnx")));
        AssertNamesTheOwner(() => library.Add("a", model));
        AssertNamesTheOwner(() => RobertaTextTokenizer.Of(model));
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder.Path));
    }

    [TestMethod]
    public void ScoringWithItDoesToo()
    {
        var model = Disposed();
        AssertNamesTheOwner(() => TrainedModels.ScoreBits(model.Transform(Topics.View(_ml))));
        AssertNamesTheOwner(() => _ml.Model.CreatePredictionEngine<Topics.Row, Scored>(model).Predict(Topics.Rows[0]));
    }

    [TestMethod]
    public void WhatSaveWholeWritesLoads()
    {
        using var folder = new TemporaryFolder();
        var view = Topics.View(_ml);
        _ml.Model.SaveWhole(TrainedModels.Binary, view.Schema, folder.File("model.mlnet"));
        using var loaded = (LoraBinaryTextClassificationTransformer)_ml.Model.Load(folder.File("model.mlnet"), out _);

        CollectionAssert.AreEqual(TrainedModels.ScoreBits(TrainedModels.Binary.Transform(view)), TrainedModels.ScoreBits(loaded.Transform(view)));
    }

    private LoraTextTransformer Disposed()
    {
        var model = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b", "c"), 1);
        using (_ml.Model.CreatePredictionEngine<Topics.Row, Scored>(model))
            return model;
    }

    private static void AssertNamesTheOwner(Action save) =>
        StringAssert.Contains(Assert.ThrowsExactly<ObjectDisposedException>(save).Message, "OwnsTransformer");

    private sealed class Scored
    {
        public float[] Score { get; set; } = [];
    }
}
