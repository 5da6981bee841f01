using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

[TestClass]
public class MulticlassTrainerTests
{
    [TestMethod]
    public void LearnsToTellTopicsApart()
    {
        var ml = Topics.Context();
        var metrics = ml.MulticlassClassification.Evaluate(TrainedModels.Multiclass.Transform(Topics.View(ml)));

        Assert.IsTrue(metrics.MicroAccuracy > 0.9, $"{metrics.MicroAccuracy}");
        Assert.IsTrue(metrics.LogLoss < 0.6, $"{metrics.LogLoss}");
        Assert.AreEqual(3, metrics.PerClassLogLoss.Count);
    }

    [TestMethod]
    public void ColumnsAndAnnotationsAreMLNets()
    {
        var ml = Topics.Context();
        var keyed = ml.Transforms.Conversion.MapValueToKey("Label").Fit(Topics.View(ml)).Transform(Topics.View(ml));
        var schema = TrainedModels.Step(TrainedModels.Multiclass).Transform(keyed).Schema;

        var label = schema["PredictedLabel"];
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 3), label.Type);
        CollectionAssert.AreEqual(new[] { "food", "sport", "weather" }, Texts(label, "KeyValues"));
        var score = schema["Score"];
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 3), score.Type);
        CollectionAssert.AreEqual(new[] { "food", "sport", "weather" }, Texts(score, "SlotNames"));
        CollectionAssert.AreEqual(new[] { "food", "sport", "weather" }, Texts(score, "TrainingLabelValues"));
        Assert.AreEqual("MulticlassClassification", Text(score, "ScoreColumnKind"));
        Assert.AreEqual("Score", Text(score, "ScoreValueKind"));
        uint id = 0;
        score.Annotations.GetValue("ScoreColumnSetId", ref id);
        Assert.AreEqual(1u, id);
        Assert.IsTrue(schema.ToList().FindIndex(c => c.Name == "Text") >= 0, "input columns pass through");
    }

    [TestMethod]
    public void ScoresAreProbabilities()
    {
        var ml = Topics.Context();
        foreach (var score in TrainedModels.Multiclass.Transform(Topics.View(ml)).GetColumn<float[]>("Score"))
        {
            Assert.AreEqual(1.0, score.Sum(s => (double)s), 1e-5);
            Assert.IsTrue(score.All(s => s is >= 0 and <= 1));
        }
    }

    [TestMethod]
    public void TheAnnouncedSchemaIsTheRealOne()
    {
        var ml = Topics.Context();
        var keyed = ml.Transforms.Conversion.MapValueToKey("Label").Fit(Topics.View(ml)).Transform(Topics.View(ml));
        var announced = ml.MulticlassClassification.Trainers.LoraTextClassification(Topics.Options()).GetOutputSchema(Topics.Shape(keyed));
        var real = Topics.Shape(TrainedModels.Step(TrainedModels.Multiclass).Transform(keyed));

        SchemaAssert.AreEquivalent(real, announced);
    }

    [TestMethod]
    public void AClassWithoutTrainingRowsKeepsItsPlace()
    {
        var ml = Topics.Context();
        var keys = ml.Transforms.Conversion.MapValueToKey("Label").Fit(Topics.View(ml));
        var seen = keys.Transform(Topics.View(ml, Topics.Rows.Where(r => r.Label != "sport")));
        using var model = ml.MulticlassClassification.Trainers.LoraTextClassification(Topics.Options()).Fit(seen);

        var scored = model.Transform(keys.Transform(Topics.View(ml)));

        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 3), scored.Schema["Score"].Type);
        CollectionAssert.AreEqual(new[] { "food", "sport", "weather" }, Texts(scored.Schema["Score"], "SlotNames"));
        var weather = scored.GetColumn<float[]>("Score").Zip(Topics.Rows).Where(r => r.Second.Label == "weather").Select(r => r.First).ToArray();
        Assert.IsTrue(weather.Average(s => s[2]) > weather.Average(s => s[0]), "weather is still the third class");
        Assert.IsTrue(ml.MulticlassClassification.Evaluate(scored).MicroAccuracy > 0.5);
    }

    [TestMethod]
    public void ALabelThatTheModelDoesNotKnowCrashesNothing()
    {
        var ml = Topics.Context();
        var rows = Topics.Rows.Take(6).Append(new() { Text = "The violin played.", Label = "music" });

        var metrics = ml.MulticlassClassification.Evaluate(TrainedModels.Multiclass.Transform(Topics.View(ml, rows)));

        Assert.IsTrue(metrics.MicroAccuracy > 0);
    }

    [TestMethod]
    public void KeysOfNumbersComeBackAsNumbers()
    {
        var ml = Topics.Context();
        var pipeline = ml.Transforms.CopyColumns("Class", "Weight").Append(ml.Transforms.Conversion.MapValueToKey("Class"))
            .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(Topics.Options(o => (o.LabelColumnName, o.MaxEpochs) = ("Class", 1))))
            .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        using var model = pipeline.Fit(Topics.View(ml));

        using var saved = new MemoryStream();
        ml.Model.Save(model, null, saved);
        var loaded = ml.Model.Load(saved, out _);

        foreach (var m in new ITransformer[] { model, loaded })
        {
            var scored = m.Transform(Topics.View(ml));
            Assert.IsTrue(scored.GetColumn<float>("PredictedLabel").All(v => v is 1 or 2));
            CollectionAssert.AreEqual(new[] { "1", "2" }, Texts(scored.Schema["Score"], "SlotNames"));
        }
    }

    [TestMethod]
    public void CrossValidationCachingAndSplitsWork()
    {
        var ml = Topics.Context();
        var pipeline = ml.Transforms.Conversion.MapValueToKey("Label").AppendCacheCheckpoint(ml)
            .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(Topics.Options(o => o.MaxEpochs = 1)));
        var split = ml.Data.TrainTestSplit(Topics.View(ml), testFraction: 0.2);

        var folds = ml.MulticlassClassification.CrossValidate(split.TrainSet, pipeline, numberOfFolds: 2);
        Assert.AreEqual(2, folds.Count);
        foreach (var fold in folds)
            Assert.IsTrue(fold.Metrics.MicroAccuracy is >= 0 and <= 1 && double.IsFinite(fold.Metrics.LogLoss));

        using var model = pipeline.Fit(split.TrainSet);
        Assert.AreEqual(split.TestSet.GetColumn<string>("Text").Count(), model.Transform(split.TestSet).GetColumn<uint>("PredictedLabel").Count());
    }

    [TestMethod]
    public void EqualSeedsGiveEqualModels()
    {
        string[] Fit(int? seed, int? contextSeed)
        {
            var ml = new MLContext(contextSeed);
            using var model = Topics.Pipeline(ml, Topics.Options(o => (o.Seed, o.MaxEpochs) = (seed, 1))).Fit(Topics.View(ml));
            return TrainedModels.ScoreBits(model.Transform(Topics.View(ml)));
        }

        var first = Fit(7, null);
        CollectionAssert.AreEqual(first, Fit(null, 7), "the context's seed serves where the options have none");
        CollectionAssert.AreNotEqual(first, Fit(8, null));
    }

    [TestMethod]
    public void ValidationRowsChooseTheEpoch()
    {
        var ml = Topics.Context();
        using var byFraction = Topics.Pipeline(ml, Topics.Options(o => o.ValidationFraction = 0.2)).Fit(Topics.View(ml));
        var history = TrainedModels.Step(byFraction).History;
        Assert.AreEqual(2, history.Epochs.Count);
        Assert.IsTrue(history.Epochs.All(e => e.Metrics?.Accuracy is >= 0 and <= 1));

        // The validation file has the class as text: it gets the training label's keys.
        using var byData = Topics.Pipeline(ml, Topics.Options(o => (o.ValidationData, o.MaxEpochs) = (Topics.View(ml, Topics.Rows.Reverse().Take(30)), 3))).Fit(Topics.View(ml));
        Assert.IsTrue(TrainedModels.Step(byData).History.Epochs[^1].Metrics!.Accuracy > 0.8, "keys of the validation rows mean the same classes");
    }

    [TestMethod]
    public void WhatIsWrongWithValidationRowsIsSaidOfThem()
    {
        var ml = Topics.Context();
        Topics.Row[] rows = [new() { Text = "An elephant.", Label = "animals" }];
        foreach (var wrong in new[] { Topics.View(ml, rows), Topics.View(ml, []) })
            StringAssert.Contains(
                Assert.ThrowsExactly<InvalidDataException>(() => Topics.Pipeline(ml, Topics.Options(o => (o.ValidationData, o.MaxEpochs) = (wrong, 1))).Fit(Topics.View(ml))).Message,
                "ValidationData");
    }

    [TestMethod]
    public void TwoTextsAndWeightsAreRead()
    {
        var ml = Topics.Context();
        using var model = Topics.Pipeline(ml, Topics.Options(o => (o.Text2ColumnName, o.ExampleWeightColumnName, o.MaxEpochs) = ("Text2", "Weight", 1))).Fit(Topics.View(ml));

        var swapped = Topics.Rows.Select(r => new Topics.Row { Text = r.Text, Text2 = "Something else entirely.", Label = r.Label });

        CollectionAssert.AreNotEqual(TrainedModels.ScoreBits(model.Transform(Topics.View(ml))), TrainedModels.ScoreBits(model.Transform(Topics.View(ml, swapped))));
    }

    [TestMethod]
    public void LogMessagesReachTheContext()
    {
        var ml = Topics.Context();
        var messages = new List<string>();
        ml.Log += (_, e) => messages.Add(e.Message);
        var phases = new List<TrainingPhase>();

        using var model = Topics.Pipeline(ml, Topics.Options(o => (o.MaxEpochs, o.Progress) = (1, new Recorder(phases)))).Fit(Topics.View(ml));

        Assert.IsTrue(messages.Any(m => m.Contains("Fine-tuning mini", StringComparison.Ordinal)), string.Join('\n', messages));
        foreach (var phase in new[] { TrainingPhase.LoadingModel, TrainingPhase.Tokenizing, TrainingPhase.Initializing, TrainingPhase.Training, TrainingPhase.Finishing })
            CollectionAssert.Contains(phases, phase);
    }

    private static string[] Texts(DataViewSchema.Column column, string annotation)
    {
        VBuffer<ReadOnlyMemory<char>> values = default;
        column.Annotations.GetValue(annotation, ref values);
        return [.. values.DenseValues().Select(v => v.ToString())];
    }

    private static string Text(DataViewSchema.Column column, string annotation)
    {
        ReadOnlyMemory<char> value = default;
        column.Annotations.GetValue(annotation, ref value);
        return value.ToString();
    }

    private sealed class Recorder(List<TrainingPhase> phases) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => phases.Add(value.Phase);
    }
}
