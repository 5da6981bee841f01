using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Catalog;

[TestClass]
public sealed class LoraModelTests
{
    [TestMethod]
    public void TheStepIsFoundInAChainAndAlone()
    {
        var step = TrainedModels.Step(TrainedModels.Multiclass);
        Assert.AreSame(step, TrainedModels.Multiclass.Lora());
        Assert.AreSame(step, step.Lora());
        Assert.AreSame(step, ((ITransformer)new Microsoft.ML.Data.TransformerChain<ITransformer>(TrainedModels.Multiclass)).Lora());
    }

    [TestMethod]
    public void NoneAndSeveralAreRefused()
    {
        var ml = Topics.Context();
        var other = ml.Transforms.CopyColumns("x", "Text").Fit(Topics.View(ml));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => other.Lora()).Message, "ColumnCopyingTransformer");
        var twice = new Microsoft.ML.Data.TransformerChain<ITransformer>(TrainedModels.Multiclass, TrainedModels.Binary);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => twice.Lora()).Message, "2 steps");
    }

    [TestMethod]
    public void MlnetsOwnConversionToOnnxPointsToOurs()
    {
        var ml = Topics.Context();
        using var stream = new MemoryStream();
        var error = Assert.ThrowsExactly<NotSupportedException>(() => ml.Model.ConvertToOnnx(TrainedModels.Multiclass, Topics.View(ml), stream));
        StringAssert.Contains(error.Message, "model.Lora().SaveOnnxModel(path)");
        Assert.AreEqual(0, stream.Length);
    }
}
