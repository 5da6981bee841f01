using System.Reflection;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Persistence;

[TestClass]
public class SaveAndLoadTests
{
    public static IEnumerable<object[]> Models => [["multiclass"], ["binary"], ["regression"]];

    [TestMethod]
    [DynamicData(nameof(Models))]
    public void AnotherProcessGivesTheSameScoresBitForBit(string kind)
    {
        using var folder = new TemporaryFolder();
        var ml = Topics.Context();
        var model = Model(kind);
        ml.Model.Save(model, Topics.View(ml).Schema, folder.File("model.mlnet"));
        var rows = Topics.WriteTsv(folder.Path);

        var (exitCode, error) = ChildProcess.Score(folder.File("model.mlnet"), rows, folder.File("scores"));

        Assert.AreEqual(0, exitCode, error);
        CollectionAssert.AreEqual(TrainedModels.ScoreBits(model.Transform(Topics.View(ml))), File.ReadAllLines(folder.File("scores")));
    }

    [TestMethod]
    public void AnAdapterOnlyModelIsSmall()
    {
        using var stream = new MemoryStream();
        Topics.Context().Model.Save(TrainedModels.Multiclass, null, stream);
        Assert.IsTrue(stream.Length < 1_000_000, $"{stream.Length} bytes");
    }

    [TestMethod]
    public void ALongerChainComesBackWhole()
    {
        var ml = Topics.Context();
        var view = Topics.View(ml);
        var pipeline = ml.Transforms.Text.NormalizeText("Text")
            .Append(ml.Transforms.Conversion.MapValueToKey("Label"))
            .Append(ml.Transforms.Concatenate("Features", "Weight", "Value"))
            .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(Topics.Options(o => o.MaxEpochs = 1)))
            .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"))
            .Append(ml.Transforms.CopyColumns("Confidence", "Score"))
            .Append(ml.Transforms.NormalizeMinMax("Features"));
        using var model = pipeline.Fit(view);

        using var stream = new MemoryStream();
        ml.Model.Save(model, view.Schema, stream);
        using var loaded = (TransformerChain<ITransformer>)new MLContext().Model.Load(stream, out var schema);

        Assert.AreEqual(view.Schema.Count, schema.Count);
        Assert.IsInstanceOfType<LoraTextClassificationTransformer>(TrainedModels.Step(loaded));
        var (before, after) = (model.Transform(view), loaded.Transform(view));
        CollectionAssert.AreEqual(TrainedModels.ScoreBits(before), TrainedModels.ScoreBits(after));
        CollectionAssert.AreEqual(before.GetColumn<string>("PredictedLabel").ToArray(), after.GetColumn<string>("PredictedLabel").ToArray());
        SchemaAssert.AreEquivalent(Topics.Shape(before), Topics.Shape(after));
    }

    [TestMethod]
    public void WhatTheModelTellsComesBack()
    {
        var ml = Topics.Context();
        using var stream = new MemoryStream();
        ml.Model.Save(TrainedModels.Multiclass, null, stream);
        using var loaded = (TransformerChain<ITransformer>)ml.Model.Load(stream, out _);
        var (before, after) = (TrainedModels.Step(TrainedModels.Multiclass), TrainedModels.Step(loaded));

        Assert.AreEqual(before.History.ToJson(), after.History.ToJson());
        Assert.AreEqual(LoraInitialization.Kaiming(), after.Initialization);
        Assert.AreEqual(FineTuningMethod.Lora(), after.Method);
        Assert.AreEqual("mini", after.BaseModelId);
        Assert.AreEqual(before.BaseModelSha256, after.BaseModelSha256);
        Assert.AreEqual(ModelSaveMode.AdapterOnly, after.SaveMode);
    }

    [TestMethod]
    public void ASelfContainedModelNeedsNoBase()
    {
        using var folder = new TemporaryFolder();
        var ml = Topics.Context();
        var directory = MiniFolder.Create(folder);
        using var model = Topics.Pipeline(ml, Topics.Options(o => (o.BaseModel, o.MaxEpochs) = (RobertaCheckpoint.FromDirectory(directory), 1))).Fit(Topics.View(ml));
        Assert.AreEqual(ModelSaveMode.SelfContained, TrainedModels.Step(model).SaveMode, "the default over a folder");
        ml.Model.Save(model, null, folder.File("model.mlnet"));
        Directory.Delete(directory, recursive: true);

        using var loaded = (TransformerChain<ITransformer>)ml.Model.Load(folder.File("model.mlnet"), out _);
        using var again = new MemoryStream();
        ml.Model.Save(loaded, null, again);
        using var twice = (TransformerChain<ITransformer>)ml.Model.Load(again, out _);

        var expected = TrainedModels.ScoreBits(model.Transform(Topics.View(ml)));
        CollectionAssert.AreEqual(expected, TrainedModels.ScoreBits(loaded.Transform(Topics.View(ml))));
        CollectionAssert.AreEqual(expected, TrainedModels.ScoreBits(twice.Transform(Topics.View(ml))));
    }

    [TestMethod]
    public void AnAdapterOnlyModelNamesABaseThatIsMissingOrAnother()
    {
        using var folder = new TemporaryFolder();
        var ml = Topics.Context();
        var directory = MiniFolder.Create(folder);
        using var model = Topics.Pipeline(ml, Topics.Options(o =>
            (o.BaseModel, o.MaxEpochs, o.SaveMode) = (RobertaCheckpoint.FromDirectory(directory), 1, ModelSaveMode.AdapterOnly))).Fit(Topics.View(ml));
        ml.Model.Save(model, null, folder.File("model.mlnet"));
        using (var loaded = (TransformerChain<ITransformer>)ml.Model.Load(folder.File("model.mlnet"), out _))
            CollectionAssert.AreEqual(TrainedModels.ScoreBits(model.Transform(Topics.View(ml))), TrainedModels.ScoreBits(loaded.Transform(Topics.View(ml))));

        MiniFolder.ChangeOneWeight(directory);
        var other = LoadError(folder.File("model.mlnet"));
        StringAssert.Contains(other, directory);
        StringAssert.Contains(other, TrainedModels.Step(model).BaseModelSha256);

        // Saving it with the base now would store another base than the scores come from.
        TrainedModels.Step(model).SaveMode = ModelSaveMode.SelfContained;
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => ml.Model.Save(model, null, new MemoryStream())).Message, "changed since the training");

        Directory.Delete(directory, recursive: true);
        var missing = LoadError(folder.File("model.mlnet"));
        StringAssert.Contains(missing, directory);
        StringAssert.Contains(missing, "SelfContained");
    }

    [TestMethod]
    [DataRow("head")]
    [DataRow("bitfit")]
    [DataRow("houlsby:size=4")]
    [DataRow("lin:size=4,skip=1")]
    [DataRow("adalora:target=4")]
    [DataRow("loha")]
    [DataRow("lokr:both=true")]
    [DataRow("sora:threshold=0.01")]
    [DataRow("kasa")]
    [DataRow("dylora:use=3")]
    [DataRow("melora:count=4")]
    [DataRow("rosa:density=0.02")]
    [DataRow("prolora:a=3,b=4")]
    [DataRow("galore:rank=2")]
    [DataRow("lisa:layers=1,keep=false")]
    public void OtherMethodsComeBackToo(string method)
    {
        var ml = Topics.Context();
        using var model = Topics.Pipeline(ml, Topics.Options(o => (o.Method, o.MaxEpochs) = (FineTuningMethod.Parse(method), 1))).Fit(Topics.View(ml));
        using var stream = new MemoryStream();
        ml.Model.Save(model, null, stream);
        using var loaded = (TransformerChain<ITransformer>)ml.Model.Load(stream, out _);

        CollectionAssert.AreEqual(TrainedModels.ScoreBits(model.Transform(Topics.View(ml))), TrainedModels.ScoreBits(loaded.Transform(Topics.View(ml))));
        Assert.AreEqual(FineTuningMethod.Parse(method), TrainedModels.Step(loaded).Method);
    }

    [TestMethod]
    [DataRow("kaiming", true)]
    [DataRow("pissa", false)]
    [DataRow("nlora", false)]
    public void ModelsOverACorrectedBaseComeBackToo(string initialization, bool dora)
    {
        var ml = Topics.Context();
        using var model = Topics.Pipeline(ml, Topics.Options(o => (o.Initialization, o.UseDora, o.MaxEpochs) = (LoraInitialization.Parse(initialization), dora, 1))).Fit(Topics.View(ml));
        using var stream = new MemoryStream();
        ml.Model.Save(model, null, stream);
        using var loaded = (TransformerChain<ITransformer>)ml.Model.Load(stream, out _);

        CollectionAssert.AreEqual(TrainedModels.ScoreBits(model.Transform(Topics.View(ml))), TrainedModels.ScoreBits(loaded.Transform(Topics.View(ml))));
        Assert.AreEqual(LoraInitialization.Parse(initialization), TrainedModels.Step(loaded).Initialization);
    }

    private static ITransformer Model(string kind) => kind switch
    {
        "multiclass" => TrainedModels.Multiclass,
        "binary" => TrainedModels.Binary,
        _ => TrainedModels.Regression,
    };

    // ML.NET creates a loader by reflection, which wraps the reason.
    private static string LoadError(string path) =>
        Assert.ThrowsExactly<InvalidDataException>(() =>
        {
            try
            {
                new MLContext().Model.Load(path, out _);
            }
            catch (TargetInvocationException e)
            {
                Exception reason = e;
                while (reason is TargetInvocationException { InnerException: { } inner })
                    reason = inner;
                throw reason;
            }
        }).Message;
}
