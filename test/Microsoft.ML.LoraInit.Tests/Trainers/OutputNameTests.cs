namespace Microsoft.ML.LoraInit.Tests.Trainers;

/// <summary>Outputs that would hide the label, and weights that no float bears.</summary>
[TestClass]
public class OutputNameTests
{
    private readonly MLContext _ml = Topics.Context();

    [TestMethod]
    [DataRow("PredictedLabel")]
    [DataRow("Score")]
    public void ALabelColumnNamedLikeAnOutputIsRefused(string name)
    {
        var view = _ml.Transforms.Conversion.MapValueToKey(name, "Label").Fit(Topics.View(_ml)).Transform(Topics.View(_ml));
        var trainer = _ml.MulticlassClassification.Trainers.LoraTextClassification(Topics.Options(o => o.LabelColumnName = name));

        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => trainer.Fit(view)).Message, $"'{name}'");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => trainer.GetOutputSchema(Topics.Shape(view))).Message, $"'{name}'");
    }

    [TestMethod]
    public void ALabelOfTheOtherTasksToo()
    {
        var view = _ml.Transforms.CopyColumns("Probability", "IsSport").Append(_ml.Transforms.CopyColumns("Score", "Value")).Fit(Topics.View(_ml)).Transform(Topics.View(_ml));
        var binary = _ml.BinaryClassification.Trainers.LoraTextClassification("Probability");
        var regression = _ml.Regression.Trainers.LoraTextRegression("Score");

        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => binary.Fit(view));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => regression.Fit(view));
    }

    [TestMethod]
    [DataRow(1e38f)]
    [DataRow(1e-40f)]
    public void ExtremeWeightsAreNamedWhereTheyMakeTheLossInfinite(float weight)
    {
        var rows = Topics.Rows.Select(r => new Topics.Row { Text = r.Text, Label = r.Label, IsSport = r.IsSport, Weight = weight });
        var trainer = _ml.BinaryClassification.Trainers.LoraTextClassification(Topics.Binary(o => o.ExampleWeightColumnName = "Weight"));
        var error = Assert.ThrowsExactly<TrainingDivergedException>(() => trainer.Fit(Topics.View(_ml, rows)));

        StringAssert.Contains(error.Message, "weights");
        Assert.IsFalse(error.Message.Contains("InitialLearningRate", StringComparison.Ordinal), error.Message);
    }

    [TestMethod]
    public void ADivergenceWithUsualWeightsIsStillTheLearningRates()
    {
        var trainer = _ml.BinaryClassification.Trainers.LoraTextClassification(Topics.Binary(o => (o.ExampleWeightColumnName, o.InitialLearningRate, o.MaxEpochs) = ("Weight", 1e30, 3)));
        var error = Assert.ThrowsExactly<TrainingDivergedException>(() => trainer.Fit(Topics.View(_ml)));

        StringAssert.Contains(error.Message, "InitialLearningRate");
    }
}
