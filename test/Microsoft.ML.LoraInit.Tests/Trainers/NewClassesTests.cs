using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

/// <summary>A model that learns classes which its training did not have.</summary>
[TestClass]
public sealed class NewClassesTests
{
    private static readonly Lazy<ITransformer> LazyFirst = new(() =>
    {
        var ml = Topics.Context();
        return Topics.Pipeline(ml, Topics.Options(o => o.MaxEpochs = 3)).Fit(Topics.View(ml, Old));
    });

    private static readonly Lazy<ITransformer> LazySecond = new(() => Learn(LazyFirst.Value));

    private static IEnumerable<Topics.Row> Old => Topics.Rows.Where(r => r.Label != "weather");

    // The weather by its two halves, as classes of their own.
    private static IEnumerable<Topics.Row> New => Topics.Rows.Where(r => r.Label == "weather").Select(r => Named(r, r.Text.Contains("rain", StringComparison.Ordinal) || r.Text.Contains("storm", StringComparison.Ordinal) ? "wet" : "dry"));

    [TestMethod]
    public void ItKnowsOldAndNewClassesByName()
    {
        var ml = Topics.Context();
        var scored = LazySecond.Value.Transform(Topics.View(ml, Old.Concat(New)));
        VBuffer<ReadOnlyMemory<char>> slots = default;
        scored.Schema["Score"].GetSlotNames(ref slots);
        CollectionAssert.AreEqual(new[] { "food", "sport", "wet", "dry" }, slots.DenseValues().Select(s => s.ToString()).ToArray());
        var answers = scored.GetColumn<string>("PredictedLabel").Zip(scored.GetColumn<string>("Label")).ToArray();
        Assert.IsTrue(answers.Any(a => a.First is "wet" or "dry") && answers.Any(a => a.First is "food" or "sport"));
        Assert.AreEqual(2, ((SdLoraMethod)LazySecond.Value.Lora().Method).Stages);
        Assert.AreEqual(FineTuningMethod.Lora(), LazyFirst.Value.Lora().Method);
    }

    [TestMethod]
    public void OldClassesAreKeptWherePlainTrainingForgetsThem()
    {
        static double OfOld(ITransformer model)
        {
            var scored = model.Transform(Topics.View(Topics.Context(), Old));
            return scored.GetColumn<string>("PredictedLabel").Zip(Old).Average(p => p.First == p.Second.Label ? 1.0 : 0);
        }
        var plain = Learn(LazyFirst.Value, o => o.Method = FineTuningMethod.Lora());
        Assert.IsTrue(OfOld(LazyFirst.Value) > 0.9);
        Assert.IsTrue(OfOld(LazySecond.Value) > OfOld(plain) + 0.2, $"{OfOld(LazySecond.Value)} and {OfOld(plain)}");
    }

    [TestMethod]
    public void ASavedStageScoresTheSameBitsAndLearnsOn()
    {
        using var folder = new TemporaryFolder();
        var (ml, path) = (Topics.Context(), Path.Combine(folder.Path, "second.mlnet"));
        ml.Model.Save(LazySecond.Value, null, path);
        var loaded = ml.Model.Load(path, out _);
        CollectionAssert.AreEqual(TrainedModels.ScoreBits(LazySecond.Value.Transform(Topics.View(ml))), TrainedModels.ScoreBits(loaded.Transform(Topics.View(ml))));

        var third = Learn(loaded, rows: Old.Take(20).Select(r => Named(r, $"{r.Label} again")));
        Assert.AreEqual(3, ((SdLoraMethod)third.Lora().Method).Stages);
        Assert.AreEqual(6, ((VectorDataViewType)third.Transform(Topics.View(ml)).Schema["Score"].Type).Size);
    }

    [TestMethod]
    public void ValidationRowsMayBeOfOldAndNewClasses()
    {
        var ml = Topics.Context();
        var model = Learn(LazyFirst.Value, o => (o.MaxEpochs, o.ValidationData) = (1, Topics.View(ml, Old.Take(10).Concat(New))));
        Assert.IsNotNull(model.Lora().History.Epochs[0].Metrics?.Accuracy);
    }

    [TestMethod]
    public void AClassThatNoRowOfTheStageHasIsNotKnownAfterwards()
    {
        var ml = Topics.Context();
        // Keys of all months at once, as where they are made before rows are chosen.
        var keys = ml.Transforms.Conversion.MapValueToKey("Label").Fit(Topics.View(ml, Old.Append(Named(Topics.Rows[0], "later")).Concat(New)));
        var options = new LoraNewClassesTrainer.Options { MaxEpochs = 1, BatchSize = 8 };
        using var second = ml.MulticlassClassification.Trainers.LoraNewClasses(LazyFirst.Value, options).Fit(keys.Transform(Topics.View(ml, New)));
        VBuffer<ReadOnlyMemory<char>> slots = default;
        second.Transform(Topics.View(ml)).Schema["Score"].GetSlotNames(ref slots);
        CollectionAssert.AreEqual(new[] { "food", "sport", "wet", "dry" }, slots.DenseValues().Select(s => s.ToString()).ToArray());
        var again = ml.MulticlassClassification.Trainers.LoraNewClasses(second, options);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => again.Fit(keys.Transform(Topics.View(ml, New)))).Message, "knows all of 'wet', 'dry'.");
    }

    [TestMethod]
    public void ClassWeightsAreOfTheNewClasses()
    {
        Learn(LazyFirst.Value, o => (o.MaxEpochs, o.ClassWeights) = (1, ClassWeights.PerClass(new Dictionary<string, double> { ["wet"] = 2, ["dry"] = 1 })));
        var error = Assert.ThrowsExactly<ArgumentException>(() => Learn(LazyFirst.Value, o => o.ClassWeights = ClassWeights.PerClass(new Dictionary<string, double> { ["wet"] = 2, ["food"] = 1 })));
        StringAssert.Contains(error.Message, "'food', which is no class. The classes are 'wet', 'dry'");
    }

    [TestMethod]
    public void RowsThatAStageCannotLearnFromAreRefused()
    {
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Learn(LazyFirst.Value, rows: New.Concat(Old.Take(3)))).Message, "3 of 28 training rows are of classes that the model knows, such as 'food'");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Learn(LazyFirst.Value, rows: Old)).Message, "no new class");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Learn(LazyFirst.Value, rows: New.Where(r => r.Label == "dry"))).Message, "the same label, 'dry'");
    }

    [TestMethod]
    public void ModelsAndOptionsThatDoNotGoOnAreRefusedByName()
    {
        var trainers = Topics.Context().MulticlassClassification.Trainers;
        string Refused(ITransformer model, Action<LoraNewClassesTrainer.Options>? change = null)
        {
            var options = new LoraNewClassesTrainer.Options();
            change?.Invoke(options);
            return Assert.Throws<ArgumentException>(() => trainers.LoraNewClasses(model, options)).Message;
        }
        StringAssert.Contains(Refused(TrainedModels.Regression), "'regression'");
        StringAssert.Contains(Refused(LazyFirst.Value, o => o.MaxLength = 20), "MaxLength is set");
        StringAssert.Contains(Refused(LazyFirst.Value, o => o.Method = new SdLoraMethod { Stages = 2 }), "counted from the model");
        StringAssert.Contains(Refused(LazyFirst.Value, o => o.Method = FineTuningMethod.Sora()), "does not go on");
        StringAssert.Contains(Refused(LazyFirst.Value, o => o.Rank = 0), "Rank");
    }

    [TestMethod]
    public void TheSchemaIsAnnounced()
    {
        var ml = Topics.Context();
        var view = ml.Transforms.Conversion.MapValueToKey("Label").Fit(Topics.View(ml, New)).Transform(Topics.View(ml, New));
        var shape = ml.MulticlassClassification.Trainers.LoraNewClasses(LazyFirst.Value).GetOutputSchema(Topics.Shape(view));
        Assert.IsTrue(shape.Any(c => c.Name == "PredictedLabel" && c.IsKey) && shape.Any(c => c.Name == "Score"));
    }

    private static ITransformer Learn(ITransformer model, Action<LoraNewClassesTrainer.Options>? change = null, IEnumerable<Topics.Row>? rows = null)
    {
        var ml = Topics.Context();
        var options = new LoraNewClassesTrainer.Options { MaxEpochs = 4, BatchSize = 8, InitialLearningRate = 5e-3 };
        change?.Invoke(options);
        return ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(ml.MulticlassClassification.Trainers.LoraNewClasses(model, options))
            .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"))
            .Append(ml.Transforms.Conversion.MapKeyToValue("Label"))
            .Fit(Topics.View(ml, rows ?? New));
    }

    private static Topics.Row Named(Topics.Row row, string label) => new() { Text = row.Text, Text2 = row.Text2, Label = label };
}
