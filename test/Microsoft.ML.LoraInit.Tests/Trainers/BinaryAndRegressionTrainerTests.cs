namespace Microsoft.ML.LoraInit.Tests.Trainers;

[TestClass]
public class BinaryAndRegressionTrainerTests
{
    [TestMethod]
    public void BinaryLearnsAndIsEvaluated()
    {
        var ml = Topics.Context();
        var metrics = ml.BinaryClassification.Evaluate(TrainedModels.Binary.Transform(Topics.View(ml)), labelColumnName: "IsSport");

        Assert.IsTrue(metrics.Accuracy > 0.9, $"{metrics.Accuracy}");
        Assert.IsTrue(metrics.AreaUnderRocCurve > 0.95, $"{metrics.AreaUnderRocCurve}");
        Assert.IsTrue(metrics.LogLoss < 0.8, $"{metrics.LogLoss}");
    }

    [TestMethod]
    public void BinaryColumnsAgree()
    {
        var ml = Topics.Context();
        var scored = TrainedModels.Binary.Transform(Topics.View(ml));

        foreach (var row in ml.Data.CreateEnumerable<BinaryRow>(scored, reuseRowObject: false))
        {
            Assert.AreEqual(1 / (1 + Math.Exp(-row.Score)), row.Probability, 1e-6);
            Assert.AreEqual(row.Score > 0, row.PredictedLabel);
        }
        bool normalized = false;
        scored.Schema["Probability"].Annotations.GetValue("IsNormalized", ref normalized);
        Assert.IsTrue(normalized);
        ReadOnlyMemory<char> kind = default;
        scored.Schema["Score"].Annotations.GetValue("ScoreColumnKind", ref kind);
        Assert.AreEqual("BinaryClassification", kind.ToString());
        SchemaAssert.AreEquivalent(Topics.Shape(scored), ml.BinaryClassification.Trainers.LoraTextClassification(Topics.Binary()).GetOutputSchema(Topics.Shape(Topics.View(ml))));
    }

    [TestMethod]
    public void BinaryCrossValidates()
    {
        var ml = Topics.Context();
        var trainer = ml.BinaryClassification.Trainers.LoraTextClassification(Topics.Binary(o => o.MaxEpochs = 1));

        var folds = ml.BinaryClassification.CrossValidate(Topics.View(ml), trainer, 2, "IsSport");

        Assert.AreEqual(2, folds.Count(f => f.Metrics.AreaUnderRocCurve is >= 0 and <= 1));
    }

    [TestMethod]
    public void RegressionLearnsAndIsEvaluated()
    {
        var ml = Topics.Context();
        var scored = TrainedModels.Regression.Transform(Topics.View(ml));
        var metrics = ml.Regression.Evaluate(scored, labelColumnName: "Value");

        Assert.IsTrue(metrics.RSquared > 0.5, $"{metrics.RSquared}");
        SchemaAssert.AreEquivalent(Topics.Shape(scored), ml.Regression.Trainers.LoraTextRegression(Topics.Regression(o => o.Text2ColumnName = "Text2")).GetOutputSchema(Topics.Shape(Topics.View(ml))));
    }

    [TestMethod]
    public void TheShortFormsTakeTheirArguments()
    {
        var ml = Topics.Context();
        var shape = Topics.Shape(Topics.View(ml));

        Assert.AreEqual("Score", ml.Regression.Trainers.LoraTextRegression("Value", "Text", "Text2", maxEpochs: 1).GetOutputSchema(shape).Last().Name);
        Assert.AreEqual("Probability", ml.BinaryClassification.Trainers.LoraTextClassification("IsSport").GetOutputSchema(shape).Last().Name);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ml.MulticlassClassification.Trainers.LoraTextClassification("Label").GetOutputSchema(shape)).Message, "MapValueToKey");
    }

    private sealed class BinaryRow
    {
        public bool PredictedLabel { get; set; }

        public float Score { get; set; }

        public float Probability { get; set; }
    }
}
