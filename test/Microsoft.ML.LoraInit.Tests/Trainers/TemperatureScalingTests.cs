using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Tokenization;
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
                var (logits, labels) = Drawn(task, 8000, new(made, null));
                Assert.AreEqual(made, TemperatureFit.Of(task, logits, labels, null).Temperature, 0.06 * made, task.Kind);
            }
    }

    [TestMethod]
    public void WeightsCountAsRows()
    {
        var (logits, labels) = Drawn(Tasks[0], 600, new(2, null));
        var weights = Array.ConvertAll(labels, l => l == 0 ? 3f : 1f);
        int[] repeated = [.. Enumerable.Range(0, labels.Length).SelectMany(i => Enumerable.Repeat(i, (int)weights[i]))];
        var weighted = TemperatureFit.Of(Tasks[0], logits, labels, weights).Temperature;
        var counted = TemperatureFit.Of(Tasks[0], [.. repeated.Select(i => logits[i])], [.. repeated.Select(i => labels[i])], null).Temperature;
        Assert.AreEqual(counted, weighted, 0.01);
        Assert.AreNotEqual(TemperatureFit.Of(Tasks[0], logits, labels, null).Temperature, weighted, 0.01);
    }

    [TestMethod]
    public void RowsThatAreAllRightDoNotMakeTheModelInfinitelySure()
    {
        float[][] logits = [.. Enumerable.Repeat(new float[] { 2, -2 }, 60)];
        var temperature = TemperatureFit.Of(new MulticlassTask(2), logits, new float[60], null).Temperature;
        Assert.AreEqual(1 - (0.5 / 62), new MulticlassTask(2).Scores([(float)(2 / temperature), (float)(-2 / temperature)])[0], 1e-4);
    }

    [TestMethod]
    public void TheBendThatMadeTheLabelsIsFound()
    {
        var made = new TemperatureBend(Near: 4, At: 1.5, Far: 0.5);
        foreach (var task in Tasks)
        {
            var (logits, labels) = Drawn(task, 8000, new(1, null) { Bend = made });
            var found = TemperatureFit.Of(task, logits, labels, null).Bend!;
            for (double distance = 0.5; distance < 4; distance += 0.5)
                Assert.AreEqual(made.Apply(distance), found.Apply(distance), 0.4, $"{task.Kind} at {distance}: {found}");
        }
    }

    [TestMethod]
    public void OneTemperatureIsKeptWhereTwoAreNotWorthIt()
    {
        foreach (var task in Tasks)
            for (int seed = 0; seed < 10; seed++)
            {
                var (logits, labels) = Drawn(task, 300, new(2, null), seed);
                Assert.IsNull(TemperatureFit.Of(task, logits, labels, null).Bend, $"{task.Kind}, seed {seed}");
            }
    }

    [TestMethod]
    public void NoOtherTemperatureIsLikelier()
    {
        var (logits, labels) = Drawn(Tasks[0], 500, new(1, null) { Bend = new(6, 2, 1) });
        var found = TemperatureFit.Of(Tasks[0], logits, labels, null);
        double Loss(ScoreCalibration c) => Tasks[0].Evaluate([.. logits.Select(row => c.Apply(Tasks[0].Distances(row)))], labels, null).LogLoss!.Value;
        foreach (var factor in new[] { 0.9, 1.1 })
        {
            Assert.IsTrue(Loss(found) < Loss(found with { Bend = found.Bend! with { Near = factor * found.Bend.Near } }) + 1e-4);
            Assert.IsTrue(Loss(found) < Loss(found with { Bend = found.Bend! with { Far = factor * found.Bend.Far } }) + 1e-4);
        }
        Assert.IsTrue(Loss(found) < Loss(found with { Bend = null }) - (Math.Log(500) / 500) + 1e-3);
    }

    [TestMethod]
    public void RowsThatAreAllWrongOrAllRightEndAtTheBounds()
    {
        float[][] logits = [.. Enumerable.Repeat(new float[] { 3, -3, 0 }, 200)];
        var wrong = TemperatureFit.Of(new MulticlassTask(3), logits, [.. Enumerable.Repeat(1f, 200)], null);
        Assert.AreEqual(ScoreCalibration.MostTemperature, wrong.Temperature, 1e-6);
        Assert.IsTrue(TemperatureFit.Of(new MulticlassTask(3), [.. Enumerable.Repeat(new float[3], 200)], new float[200], null) is { Bend: null, Temperature: 1 }, "logits that say nothing");
    }

    [TestMethod]
    public void EachHalfIsJudgedByWhatTheOtherSays()
    {
        // All of one half are right, which says to be sure, and all of the other are wrong, which says to be as unsure as can be.
        float[][] logits = [.. Enumerable.Repeat(new float[] { 3, -3 }, 60)];
        TextDataset[] halves = [new(new EncodedText[60], new float[60], null), new(new EncodedText[60], [.. Enumerable.Repeat(1f, 60)], null)];
        var after = TemperatureScaling.Judge(new MulticlassTask(2), [logits, logits], halves).After;
        double unsure = 1 / (1 + Math.Exp(-6 / ScoreCalibration.MostTemperature));
        var expected = ((1 - unsure) + 1) / 2;
        var error = after.ExpectedCalibrationError;
        Assert.AreEqual(expected, error, 0.01, "of its own fit each half would have less than half of this");
    }

    [TestMethod]
    public void NumbersHaveNone() =>
        Assert.IsNull(TemperatureScaling.Fit(null!, new RegressionTask(), new TextDataset([], new float[100], null), 0, Assert.Fail));

    [TestMethod]
    public void FitCalibratesFromAHundredRowsOn()
    {
        var ml = Topics.Context();
        var rows = Enumerable.Repeat(Topics.Rows, 3).SelectMany(r => r).ToArray();
        using var model = TrainedModels.Step(Topics.Pipeline(ml, Topics.Options(o => (o.MaxEpochs, o.ValidationData) = (1, Topics.View(ml, rows[..100])))).Fit(Topics.View(ml)));
        var calibration = model.History.Calibration!;
        Assert.AreEqual((100, 100), (calibration.FittedRows, calibration.Rows));
        Assert.AreEqual(100, calibration.Bins.Sum(b => b.Count));
        Assert.AreEqual(calibration.Bend, model.TemperatureBend);
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

    [TestMethod]
    public void AStoredHistoryKeepsTheBend()
    {
        var calibration = new CalibrationHistory
        {
            Temperature = 1.5,
            Bend = new(4, 2, 0.5),
            FittedRows = 100,
            Rows = 100,
            ExpectedCalibrationError = 0.02,
            UncalibratedError = 0.1,
            ErrorByChance = 0.01,
            BrierScore = 0.2,
            UncalibratedBrierScore = 0.3,
            Bins = [],
        };
        var stored = new TrainingHistory { MetricName = "accuracy", Calibration = calibration }.ToJson();
        Assert.AreEqual(calibration.Bend, TrainingHistory.FromJson(stored).Calibration!.Bend);
        var alone = new TrainingHistory { MetricName = "accuracy", Calibration = calibration with { Bend = null } }.ToJson();
        Assert.IsFalse(alone.Contains("bend", StringComparison.OrdinalIgnoreCase), alone);
        Assert.IsNull(TrainingHistory.FromJson(alone).Calibration!.Bend);
    }

    /// <summary>Random logits, and labels that these make likely once they are calibrated.</summary>
    private static (float[][] Logits, float[] Labels) Drawn(TextTask task, int rows, ScoreCalibration calibration, int seed = 3)
    {
        var random = new Random(seed);
        var logits = Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, task.OutputCount).Select(_ => (float)(6 * random.NextDouble() - 3)).ToArray()).ToArray();
        return (logits, [.. logits.SelectMany(row =>
        {
            var scores = calibration.Scores(task, row);
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
