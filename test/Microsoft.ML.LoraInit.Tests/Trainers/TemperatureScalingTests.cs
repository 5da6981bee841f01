using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

[TestClass]
public sealed class TemperatureScalingTests
{
    private static readonly TextTask[] Tasks = [new MulticlassTask(4), new BinaryTask(), new MultiLabelTask(3)];

    [TestMethod]
    public void TheTemperatureThatMadeTheLabelsIsFound()
    {
        foreach (var task in Tasks)
            foreach (var made in new[] { 0.5, 1, 3 })
            {
                var (logits, labels) = Drawn(task, 8000, made);
                Assert.AreEqual(made, TemperatureScaling.Temperature(task, logits, labels, null)!.Value, 0.06 * made, task.Kind);
            }
    }

    [TestMethod]
    public void WeightsCountAsRows()
    {
        var (logits, labels) = Drawn(Tasks[0], 600, 2);
        var weights = Array.ConvertAll(labels, l => l == 0 ? 3f : 1f);
        int[] repeated = [.. Enumerable.Range(0, labels.Length).SelectMany(i => Enumerable.Repeat(i, (int)weights[i]))];
        var weighted = TemperatureScaling.Temperature(Tasks[0], logits, labels, weights)!.Value;
        var counted = TemperatureScaling.Temperature(Tasks[0], [.. repeated.Select(i => logits[i])], [.. repeated.Select(i => labels[i])], null)!.Value;
        Assert.AreEqual(counted, weighted, 0.01);
        Assert.AreNotEqual(TemperatureScaling.Temperature(Tasks[0], logits, labels, null)!.Value, weighted, 0.01);
    }

    [TestMethod]
    public void RowsThatAreAllRightDoNotMakeTheModelInfinitelySure()
    {
        float[][] logits = [.. Enumerable.Repeat(new float[] { 2, -2 }, 60)];
        var temperature = TemperatureScaling.Temperature(new MulticlassTask(2), logits, new float[60], null)!.Value;
        Assert.AreEqual(1 - (0.5 / 62), new MulticlassTask(2).Scores([(float)(2 / temperature), (float)(-2 / temperature)])[0], 1e-4);
    }

    [TestMethod]
    public void NumbersHaveNone() => Assert.IsNull(TemperatureScaling.Temperature(new RegressionTask(), [[1]], [1], null));

    [TestMethod]
    public void FitCalibratesFromAHundredRowsOn()
    {
        var ml = Topics.Context();
        var rows = Enumerable.Repeat(Topics.Rows, 3).SelectMany(r => r).ToArray();
        using var model = TrainedModels.Step(Topics.Pipeline(ml, Topics.Options(o => (o.MaxEpochs, o.ValidationData) = (1, Topics.View(ml, rows[..100])))).Fit(Topics.View(ml)));
        var calibration = model.History.Calibration!;
        Assert.AreEqual((50, 50), (calibration.FittedRows, calibration.Rows));
        Assert.AreEqual(calibration.Temperature, model.Temperature);
        Assert.AreNotEqual(1, model.Temperature);
        var (before, after) = (calibration.UncalibratedError, calibration.ExpectedCalibrationError);
        Assert.AreNotEqual(before, after);
        using var few = TrainedModels.Step(Topics.Pipeline(ml, Topics.Options(o => (o.MaxEpochs, o.ValidationData) = (1, Topics.View(ml, rows[..99])))).Fit(Topics.View(ml)));
        Assert.IsNull(few.History.Calibration);
        Assert.AreEqual(1, few.Temperature);
        using var off = TrainedModels.Step(Topics.Pipeline(ml, Topics.Options(o =>
            (o.MaxEpochs, o.ValidationData, o.TemperatureScaling) = (1, Topics.View(ml, rows[..100]), false))).Fit(Topics.View(ml)));
        Assert.AreEqual(1, off.Temperature);
        CollectionAssert.AreEqual(model.Model.Scorer.Score([new("The soup.", null)])[0], off.Model.Scorer.Score([new("The soup.", null)])[0]);
    }

    /// <summary>Random logits, and labels that logits / temperature make likely.</summary>
    private static (float[][] Logits, float[] Labels) Drawn(TextTask task, int rows, double temperature)
    {
        var random = new Random(3);
        var logits = Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, task.OutputCount).Select(_ => (float)(6 * random.NextDouble() - 3)).ToArray()).ToArray();
        return (logits, [.. logits.SelectMany(row =>
        {
            var scores = task.Scores(Array.ConvertAll(row, z => (float)(z / temperature)));
            if (task is not MulticlassTask)
                return scores.Select(p => random.NextDouble() < p ? 1f : 0f);
            double draw = random.NextDouble();
            int label = 0;
            while (label < scores.Length - 1 && (draw -= scores[label]) > 0)
                label++;
            return [(float)label];
        })]);
    }
}
