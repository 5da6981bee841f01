using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Samples;
using Microsoft.ML.LoraInit.Tests.Samples;
using Microsoft.ML.LoraInit.Tests.Training;
using Microsoft.ML.LoraInit.Training;

namespace Microsoft.ML.LoraInit.Tests.Trainers;

/// <summary>The best epoch is the best by the metric asked for.</summary>
[TestClass]
public class ValidationMetricTests
{
    private static readonly EpochMetrics Low = new() { Accuracy = 0.5, F1 = 0.1, Matthews = -0.2, LogLoss = 0.7, Pearson = 0.3, Spearman = 0.2, Mse = 4 };
    private static readonly EpochMetrics High = new() { Accuracy = 0.6, F1 = 0.2, Matthews = 0.4, LogLoss = 0.9, Pearson = 0.5, Spearman = 0.6, Mse = 5 };

    [TestMethod]
    public void EachMetricHasItsNameValueAndDirection()
    {
        (TextTask Task, string Name, double Value, bool HighWins)[] cases =
        [
            (new MulticlassTask(3), "accuracy", 0.6, true), (new MulticlassTask(3) { Metric = ClassificationValidationMetric.F1 }, "f1", 0.2, true),
            (new BinaryTask { Metric = ClassificationValidationMetric.Matthews }, "matthews", 0.4, true), (new BinaryTask { Metric = ClassificationValidationMetric.LogLoss }, "log_loss", 0.9, false),
            (new RegressionTask(), "pearson", 0.5, true), (new RegressionTask { Metric = RegressionValidationMetric.Spearman }, "spearman", 0.6, true),
            (new RegressionTask { Metric = RegressionValidationMetric.MeanSquaredError }, "mse", 5, false),
        ];
        foreach (var (task, name, value, highWins) in cases)
        {
            Assert.AreEqual(name, task.MetricName);
            Assert.AreEqual(value, task.MetricOf(High), name);
            Assert.AreEqual(highWins, task.IsBetter(task.MetricOf(High), task.MetricOf(Low)), name);
            Assert.AreEqual(!highWins, task.IsBetter(task.MetricOf(Low), task.MetricOf(High)), name);
        }
    }

    [TestMethod]
    public void TrainingKeepsTheBestEpochByIt()
    {
        var kept = new HashSet<int>();
        foreach (var metric in Enum.GetValues<ClassificationValidationMetric>())
        {
            var task = new MulticlassTask(3) { Metric = metric };
            // Labels without sense: the loss rises with what is learnt, the other metrics go up and down.
            var random = new SeededRandom(5);
            var validation = ToyRun.Rows(24, task, 9) is var rows ? rows with { Labels = [.. rows.Labels.Select(_ => (float)random.Next(3))] } : null;
            using var trained = FineTuningRun.Execute(ToyRun.Request(o => o.MaxEpochs = 5, rows: 24, task: task) with { Validation = validation });
            var history = trained.History;
            Assert.AreEqual(metric.Name(), history.MetricName);
            var values = history.Epochs.Select(e => (e.Epoch, Value: (task.HigherIsBetter ? 1 : -1) * metric.Of(e.Metrics!))).ToArray();
            Assert.AreEqual(values.OrderByDescending(v => v.Value).ThenBy(v => v.Epoch).First().Epoch, history.BestEpoch, $"{metric}");
            kept.Add(history.BestEpoch);
        }
        Assert.IsTrue(kept.Count > 1, "all metrics keep the same epoch, so that nothing is shown");
    }

    [TestMethod]
    public void TheModelStoresWhatItWasKeptBy()
    {
        var ml = Topics.Context();
        using var model = ml.BinaryClassification.Trainers.LoraTextClassification(Topics.Binary(o =>
            (o.MaxEpochs, o.ValidationFraction, o.ValidationMetric) = (1, 0.3, ClassificationValidationMetric.Matthews))).Fit(Topics.View(ml));
        Assert.AreEqual("matthews", model.History.MetricName);
        using var folder = new TemporaryFolder();
        ml.Model.Save(model, Topics.View(ml).Schema, folder.File("m.mlnet"));
        using var loaded = (LoraBinaryTextClassificationTransformer)ml.Model.Load(folder.File("m.mlnet"), out _);
        Assert.AreEqual("matthews", loaded.History.MetricName);
    }

    [TestMethod]
    public void AMetricWithoutRowsOrOutOfRangeIsRefused()
    {
        var ml = new MLContext();
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => ml.MulticlassClassification.Trainers.LoraTextClassification(
            Topics.Options(o => (o.ValidationMetric, o.ValidationFraction) = ((ClassificationValidationMetric)9, 0.1)))).Message, "ValidationMetric = 9");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => ml.BinaryClassification.Trainers.LoraTextClassification(
            Topics.Binary(o => o.ValidationMetric = ClassificationValidationMetric.F1))).Message, "ValidationMetric = F1 has no effect");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => ml.Regression.Trainers.LoraTextRegression(
            Topics.Regression(o => o.ValidationMetric = RegressionValidationMetric.Spearman))).Message, "ValidationMetric = Spearman has no effect");
    }

    [TestMethod]
    public async Task TheCommandLineTakesTheTasksOwn()
    {
        using var folder = new TemporaryFolder();
        var (model, data) = (folder.File("m.mlnet"), folder.File("cola.tsv"));
        File.WriteAllLines(data, Enumerable.Range(0, 16).Select(i => i % 2 == 0 ? $"x\t1\t\tA dog number {i} barks." : $"x\t0\t*\tBarks dog {i} number a."));
        string[] arguments = ["train", "--train", data, "--task", "cola", "--model", model, "--epochs", "1", "--batch-size", "8"];
        async Task<string> Metric(params string[] more)
        {
            var run = await CommandLineRun.InProcess([.. arguments, .. more]);
            Assert.AreEqual(ExitCodes.Success, run.ExitCode, string.Join('\n', run.Errors));
            var loaded = new MLContext().Model.Load(model, out _);
            using var owned = loaded as IDisposable;
            return TrainedModels.Step(loaded).History.MetricName;
        }
        Assert.AreEqual("matthews", await Metric("--validation", data));
        Assert.AreEqual("log_loss", await Metric("--validation", data, "--validation-metric", "log-loss"));
        foreach (var (wrong, expected) in new[] { (new[] { "--validation-metric", "f1" }, "--validation"), (["--validation", data, "--validation-metric", "pearson"], "accuracy, f1") })
        {
            var run = await CommandLineRun.InProcess([.. arguments, .. wrong]);
            Assert.AreEqual(ExitCodes.BadInput, run.ExitCode);
            StringAssert.Contains(run.Errors.Single(), expected);
        }
    }
}
