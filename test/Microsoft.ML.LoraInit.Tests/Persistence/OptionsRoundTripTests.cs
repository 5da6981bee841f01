using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Persistence;

/// <summary>Models of particular strategies and options: trained in a pipeline, saved, loaded, scored.</summary>
[TestClass]
public sealed class OptionsRoundTripTests
{
    [TestMethod]
    [DataRow("nlora:trainOnlyN=true", BaseQuantization.None)]
    [DataRow("mica", BaseQuantization.None)]
    [DataRow("loftq:iterations=2", BaseQuantization.None)]
    [DataRow("kaiming", BaseQuantization.Nf4)]
    [DataRow("loftq", BaseQuantization.Nf4)]
    [DataRow("nlora", BaseQuantization.Nf4)]
    public void ALoadedModelScoresBitForBitAsTheTrainedOne(string initialization, BaseQuantization quantization)
    {
        var ml = Topics.Context();
        var view = Topics.View(ml);
        using var model = Topics.Pipeline(ml, Topics.Options(o =>
            (o.Initialization, o.BaseQuantization, o.MaxEpochs) = (LoraInitialization.Parse(initialization), quantization, 1))).Fit(view);
        using var stream = new MemoryStream();
        ml.Model.Save(model, view.Schema, stream);
        using var loaded = (TransformerChain<ITransformer>)new MLContext().Model.Load(stream, out _);

        CollectionAssert.AreEqual(TrainedModels.ScoreBits(model.Transform(view)), TrainedModels.ScoreBits(loaded.Transform(view)));
        var step = TrainedModels.Step(loaded);
        Assert.AreEqual(LoraInitialization.Parse(initialization), step.Initialization);
        Assert.AreEqual(quantization == BaseQuantization.Nf4 ? "nf4" : null, (string?)step.FineTuning["baseQuantization"]);
    }
}
