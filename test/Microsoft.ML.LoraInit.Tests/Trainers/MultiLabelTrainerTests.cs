using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

[TestClass]
public sealed class MultiLabelTrainerTests
{
    private static readonly string[] LabelNames = ["Food", "Sport", "Weather"];

    // Sentences of one topic or of two.
    private static readonly Row[] Rows =
    [
        .. from i in Enumerable.Range(0, Topics.Rows.Count)
           let first = Topics.Rows[i]
           let second = i % 2 == 0 ? first : Topics.Rows[(7 * i + 1) % Topics.Rows.Count]
           let topics = (string[])[first.Label, second.Label]
           select new Row
           {
               Text = first == second ? first.Text : $"{first.Text} {second.Text}",
               Food = topics.Contains("food"),
               Sport = topics.Contains("sport"),
               Weather = topics.Contains("weather"),
           },
    ];

    private static readonly Lazy<ITransformer> Trained = new(() => Pipeline(Topics.Context()).Fit(View(Topics.Context())));

    [TestMethod]
    public void LearnsAndIsEvaluated()
    {
        var ml = Topics.Context();
        var metrics = ml.MulticlassClassification.EvaluateMultiLabel(Trained.Value.Transform(View(ml)));

        Assert.IsTrue(metrics.MicroF1 > 0.85, $"{metrics}");
        Assert.IsTrue(metrics.MeanAreaUnderRocCurve > 0.9, $"{metrics}");
        CollectionAssert.AreEqual(LabelNames, metrics.PerLabel.Select(l => l.Name).ToArray());
        Assert.AreEqual(Rows.Count(r => r.Sport), metrics.PerLabel[1].Positives);
        var history = TrainedModels.Step(Trained.Value).History;
        Assert.AreEqual("micro F1", history.MetricName);
        Assert.IsTrue(history.Epochs[^1].Metrics is { F1: > 0, MacroF1: > 0, LogLoss: > 0 });
    }

    [TestMethod]
    public void ColumnsAgree()
    {
        var ml = Topics.Context();
        var view = ml.Transforms.Concatenate("Label", LabelNames).Fit(View(ml)).Transform(View(ml));
        using var model = ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(Options(o => (o.MaxEpochs, o.PredictionThreshold) = (1, 0.3))).Fit(view);
        var scored = model.Transform(view);

        foreach (var row in ml.Data.CreateEnumerable<Prediction>(scored, reuseRowObject: false))
            for (int l = 0; l < LabelNames.Length; l++)
            {
                Assert.AreEqual(1 / (1 + Math.Exp(-row.Score[l])), row.Probability[l], 1e-6);
                Assert.AreEqual(row.Probability[l] >= 0.3, row.PredictedLabel[l]);
            }
        foreach (var name in (string[])["PredictedLabel", "Score", "Probability"])
        {
            VBuffer<ReadOnlyMemory<char>> slots = default;
            scored.Schema[name].GetSlotNames(ref slots);
            CollectionAssert.AreEqual(LabelNames, slots.DenseValues().Select(s => s.ToString()).ToArray(), name);
        }
        SchemaAssert.AreEquivalent(Topics.Shape(scored), ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(Options()).GetOutputSchema(Topics.Shape(view)));
    }

    [TestMethod]
    public void ALoadedModelScoresBitForBitAsTheTrainedOne()
    {
        var ml = Topics.Context();
        var view = View(ml);
        using var stream = new MemoryStream();
        ml.Model.Save(Trained.Value, view.Schema, stream);
        var loaded = new MLContext().Model.Load(stream, out _);
        using var step = TrainedModels.Step(loaded);

        Assert.IsInstanceOfType<LoraMultiLabelTextClassificationTransformer>(step);
        CollectionAssert.AreEqual(TrainedModels.ScoreBits(Trained.Value.Transform(view)), TrainedModels.ScoreBits(loaded.Transform(view)));
        CollectionAssert.AreEqual(Predicted(Trained.Value.Transform(view)), Predicted(loaded.Transform(view)));

        static string[] Predicted(IDataView scored) => [.. scored.GetColumn<bool[]>("PredictedLabel").Select(p => string.Join(' ', p))];
    }

    [TestMethod]
    public void APredictionEngineSaysTheSame()
    {
        var ml = Topics.Context();
        using var engine = ml.Model.CreatePredictionEngine<Row, Prediction>(Trained.Value, new PredictionEngineOptions { OwnsTransformer = false });
        var batch = ml.Data.CreateEnumerable<Prediction>(Trained.Value.Transform(View(ml)), reuseRowObject: false).ToArray();

        for (int i = 0; i < 5; i++)
            CollectionAssert.AreEqual(batch[i].PredictedLabel, engine.Predict(Rows[i]).PredictedLabel);
    }

    [TestMethod]
    public void SinglesOfZeroAndOneAreLabelsToo()
    {
        var ml = Topics.Context();
        var view = ml.Data.LoadFromEnumerable(Rows.Select(r => new Vector { Text = r.Text, Label = [r.Food ? 1 : 0, r.Sport ? 1 : 0, r.Weather ? 1 : 0] }));
        using var model = ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(Options(o => (o.MaxEpochs, o.ValidationFraction) = (1, 0.2))).Fit(view);

        var metrics = ml.MulticlassClassification.EvaluateMultiLabel(model.Transform(view));
        CollectionAssert.AreEqual(new[] { "0", "1", "2" }, metrics.PerLabel.Select(l => l.Name).ToArray());
    }

    [TestMethod]
    public void BadLabelsAreToldWithTheirRow()
    {
        var half = Fails<InvalidDataException>([new Vector { Text = "a", Label = [0, 1, 0] }, new Vector { Text = "b", Label = [1, 0.5f, 0] }]);
        StringAssert.Contains(half, "Row 2");
        StringAssert.Contains(half, "slot 1");
        StringAssert.Contains(Fails<InvalidDataException>([new Vector { Label = [0, 1, 0] }, new Vector { Label = [0, 1, 0] }]), "same labels");
        var ml = Topics.Context();
        var scalar = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ml.MulticlassClassification.Trainers
            .LoraMultiLabelTextClassification(Options(o => o.LabelColumnName = "Food")).Fit(View(ml)));
        StringAssert.Contains(scalar.Message, "'Food' has the type Boolean");
        StringAssert.Contains(scalar.Message, "Concatenate");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification("Food").GetOutputSchema(Topics.Shape(View(ml)))).Message, "Food");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(Options(o => o.PredictionThreshold = 1))).Message, "PredictionThreshold = 1");

        static string Fails<T>(Vector[] rows)
            where T : Exception
        {
            var ml = Topics.Context();
            return Assert.ThrowsExactly<T>(() => ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(Options()).Fit(ml.Data.LoadFromEnumerable(rows))).Message;
        }
    }

    [TestMethod]
    public void ValidationLabelsMustBeInTheSameOrder()
    {
        var ml = Topics.Context();
        var train = ml.Transforms.Concatenate("Label", LabelNames).Fit(View(ml)).Transform(View(ml));
        var other = ml.Transforms.Concatenate("Label", "Sport", "Food", "Weather").Fit(View(ml)).Transform(View(ml));
        var trainer = ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(Options(o => o.ValidationData = other));

        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => trainer.Fit(train)).Message, "Sport, Food, Weather");
    }

    private static IDataView View(MLContext ml) => ml.Data.LoadFromEnumerable(Rows);

    private static IEstimator<ITransformer> Pipeline(MLContext ml) =>
        ml.Transforms.Concatenate("Label", LabelNames).Append(ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(
            Options(o => (o.MaxEpochs, o.ValidationFraction, o.ClassWeights) = (6, 0.1, ClassWeights.Balanced))));

    private static LoraMultiLabelTextClassificationTrainer.Options Options(Action<LoraMultiLabelTextClassificationTrainer.Options>? change = null)
    {
        var options = new LoraMultiLabelTextClassificationTrainer.Options { MaxEpochs = 2, BatchSize = 8, InitialLearningRate = 5e-3 };
        change?.Invoke(options);
        return options;
    }

    private sealed class Row
    {
        public string Text { get; set; } = "";

        public bool Food { get; set; }

        public bool Sport { get; set; }

        public bool Weather { get; set; }
    }

    private sealed class Vector
    {
        public string Text { get; set; } = "";

        [VectorType(3)]
        public float[] Label { get; set; } = [];
    }

    private sealed class Prediction
    {
        public bool[] PredictedLabel { get; set; } = [];

        public float[] Score { get; set; } = [];

        public float[] Probability { get; set; } = [];
    }
}
