using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Tests.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Data;

[TestClass]
public sealed class ClassWeightsTests
{
    private static readonly Dictionary<string, double> ByTopic = new() { ["food"] = 1, ["sport"] = 2, ["weather"] = 0.5 };

    [TestMethod]
    public void BalancedIsRowsOverClassesTimesCount()
    {
        // 10 rows, 2 classes: 10 / (2 · 8) and 10 / (2 · 2).
        CollectionAssert.AreEqual(new[] { 0.625f, 2.5f }, ClassWeighting.Balanced([8, 2]));
        // A class without rows is none of those that are counted: 9 / (2 · 3), 9 / (2 · 6).
        CollectionAssert.AreEqual(new[] { 1.5f, 1, 0.75f }, ClassWeighting.Balanced([3, 0, 6]));
    }

    [TestMethod]
    public void AClassWeightMultipliesTheExampleWeight()
    {
        var rows = new TextDataset([new([0, 5, 2]), new([0, 6, 2]), new([0, 7, 2]), new([0, 8, 2])], [0, 1, 1, 1], [1, 2, 3, 4]);
        var (task, train) = ClassWeighting.Apply(ClassWeights.PerClass(new Dictionary<string, double> { ["false"] = 3, ["true"] = 0.5 }), new BinaryTask(), rows);
        Assert.AreEqual("binary", task.Kind);
        CollectionAssert.AreEqual(new[] { 3, 1, 1.5f, 2 }, train.Weights);
        // 4 / (2 · 1) and 4 / (2 · 3), counted in rows.
        CollectionAssert.AreEqual(new[] { 2, 2 * (4 / 6f), 3 * (4 / 6f), 4 * (4 / 6f) }, ClassWeighting.Apply(ClassWeights.Balanced, new BinaryTask(), rows).Train.Weights);
        Assert.AreSame(rows, ClassWeighting.Apply(ClassWeights.None, new BinaryTask(), rows).Train);
    }

    [TestMethod]
    public void AMultiLabelWeightCountsWhereTheLabelIsTrue()
    {
        var rows = new TextDataset([new([0, 5, 2]), new([0, 6, 2]), new([0, 7, 2]), new([0, 8, 2])], [1, 0, 0, 0, 0, 1, 0, 1], null) { LabelsPerRow = 2 };
        using var scope = NewDisposeScope();
        var logits = tensor(new[] { 1f, -2f, 0.5f, 3f }, [2, 2]);
        float[] labels = [1, 0, 0, 1];
        // Softplus of −z where true, of z where false; label 0 weighs 4 where true.
        var explicitly = (MultiLabelTask)ClassWeighting.Apply(
            ClassWeights.PerClass(new Dictionary<string, double> { ["a"] = 4, ["b"] = 1 }), new MultiLabelTask(2, ["a", "b"]), rows).Task;
        Near([(4 * Softplus(-1) + Softplus(-2)) / 2, (Softplus(0.5) + Softplus(-3)) / 2], explicitly);
        // Label a is true in 1 row of 4: 4 / (2 · 1) and 4 / (2 · 3); label b in 2: 1 and 1.
        var balanced = (MultiLabelTask)ClassWeighting.Apply(ClassWeights.Balanced, new MultiLabelTask(2), rows).Task;
        Near([(2 * Softplus(-1) + Softplus(-2)) / 2, (2 / 3.0 * Softplus(0.5) + Softplus(-3)) / 2], balanced);
        Assert.AreNotEqual(new MultiLabelTask(2).Description, balanced.Description, "a checkpoint must tell them apart");

        void Near(double[] expected, MultiLabelTask task)
        {
            var losses = task.RowLosses(logits, task.Targets(labels, CPU)).data<float>().ToArray();
            for (int i = 0; i < expected.Length; i++)
                Assert.AreEqual(expected[i], losses[i], 1e-6);
        }
    }

    [TestMethod]
    public void ExplicitWeightsTrainAsAnExampleWeightColumnDoes()
    {
        var ml = Topics.Context();
        var view = Topics.View(ml, Topics.Rows.Select(r => new Topics.Row { Text = r.Text, Label = r.Label, Weight = (float)ByTopic[r.Label] }));
        using var byColumn = (IDisposable)Topics.Pipeline(ml, Topics.Options(o => (o.MaxEpochs, o.ExampleWeightColumnName) = (1, "Weight"))).Fit(view);
        using var byClass = (IDisposable)Topics.Pipeline(ml, Topics.Options(o => (o.MaxEpochs, o.ClassWeights) = (1, ClassWeights.PerClass(ByTopic)))).Fit(view);
        using var plain = (IDisposable)Topics.Pipeline(ml, Topics.Options(o => o.MaxEpochs = 1)).Fit(view);

        var scores = TrainedModels.ScoreBits(((ITransformer)byClass).Transform(view));
        CollectionAssert.AreEqual(TrainedModels.ScoreBits(((ITransformer)byColumn).Transform(view)), scores);
        CollectionAssert.AreNotEqual(TrainedModels.ScoreBits(((ITransformer)plain).Transform(view)), scores);

        Assert.IsNull(TrainedModels.Step((ITransformer)plain).FineTuning["classWeights"]);
        using var stream = new MemoryStream();
        ml.Model.Save((ITransformer)byClass, view.Schema, stream);
        using var loaded = (IDisposable)new MLContext().Model.Load(stream, out _);
        Assert.AreEqual("""{"food":1,"sport":2,"weather":0.5}""", TrainedModels.Step((ITransformer)loaded).FineTuning["classWeights"]!.ToJsonString());
    }

    [TestMethod]
    public void WrongNamesAreToldBeforeTraining()
    {
        Fails("'rain', which is no class. The classes are 'food', 'sport', 'weather'", new() { ["food"] = 1, ["sport"] = 1, ["weather"] = 1, ["rain"] = 1 });
        Fails("no weight for the class 'sport'", new() { ["food"] = 1, ["weather"] = 1 });

        static void Fails(string message, Dictionary<string, double> weights)
        {
            var ml = Topics.Context();
            var pipeline = Topics.Pipeline(ml, Topics.Options(o =>
            {
                o.ClassWeights = ClassWeights.PerClass(weights);
                o.BaseModel = RobertaCheckpoint.FromHub("nobody/never-opened");
            }));
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => pipeline.Fit(Topics.View(ml))).Message, message);
        }
    }

    [TestMethod]
    public void WeightsMustBePositiveNumbers()
    {
        foreach (var weight in (double[])[0, -1, double.NaN, double.PositiveInfinity])
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => ClassWeights.PerClass(new Dictionary<string, double> { ["a"] = weight })).Message, "'a'");
        Assert.ThrowsExactly<ArgumentException>(() => ClassWeights.PerClass(new Dictionary<string, double>()));
        var ml = Topics.Context();
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Topics.Pipeline(ml, Topics.Options(o => o.ClassWeights = null!))).Message, "ClassWeights");
    }

    [TestMethod]
    public void TheyCompareByValue()
    {
        Assert.AreEqual(ClassWeights.PerClass(ByTopic), ClassWeights.PerClass(ByTopic.Reverse().ToDictionary()));
        Assert.AreEqual(ClassWeights.PerClass(ByTopic).GetHashCode(), ClassWeights.PerClass(ByTopic.Reverse().ToDictionary()).GetHashCode());
        Assert.AreNotEqual(ClassWeights.None, ClassWeights.Balanced);
        Assert.AreEqual("food: 1, sport: 2, weather: 0.5", ClassWeights.PerClass(ByTopic).ToString());
    }

    private static double Softplus(double z) => Math.Log(1 + Math.Exp(z));
}
