using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Tests.Samples;

[TestClass]
public sealed class RunReportTests
{
    private static readonly RunReport Report = new()
    {
        Task = "mrpc",
        Init = "kaiming",
        Rank = 8,
        Alpha = 16,
        Epochs = 3,
        BestEpoch = 2,
        TrainableParameters = 100,
        TotalParameters = 1000,
        TrainSamplesPerSecond = 12.5,
        Metrics = new() { Accuracy = 0.75, F1 = 0.5, Matthews = 0.25, LogLoss = 0.625 },
    };

    [TestMethod]
    public void HasTheKeysInOrderAndNoOthers()
    {
        var json = JsonNode.Parse(Report.ToJson())!.AsObject();
        CollectionAssert.AreEqual(
            new[] { "task", "init", "rank", "alpha", "epochs", "best_epoch", "trainable_parameters", "total_parameters", "train_samples_per_second", "metrics" },
            json.Select(p => p.Key).ToArray());
        Assert.AreEqual("mrpc", (string?)json["task"]);
        Assert.AreEqual(2, (int?)json["best_epoch"]);
        Assert.AreEqual(12.5, (double?)json["train_samples_per_second"]);
    }

    [TestMethod]
    public void HasTheMetricsThatApply()
    {
        CollectionAssert.AreEqual(new[] { "accuracy", "f1", "matthews", "log_loss" }, Keys(Report));
        CollectionAssert.AreEqual(new[] { "pearson", "spearman", "mse" }, Keys(Report with { Metrics = new() { Pearson = 0.5, Spearman = 0.5, Mse = 1 } }));
        CollectionAssert.AreEqual(new[] { "mse" }, Keys(Report with { Metrics = new() { Pearson = double.NaN, Spearman = double.NaN, Mse = 1 } }));
    }

    [TestMethod]
    public void SeveralLabelsHaveTheirMetricsInPlace()
    {
        var counts = new MultiLabelCounts(2);
        counts.Add([true, false], [true, true]);
        var json = JsonNode.Parse((Report with { Labels = new(counts, [new("one", 1, 1, 1, 1, 1, double.NaN), new("two", 0, 0, 0, 0, double.NaN, double.NaN)]) }).ToJson())!;
        Assert.AreEqual(0.5, (double?)json["metrics"]!["hamming_loss"]);
        Assert.AreEqual(1.0, (double?)json["metrics"]!["mean_average_precision"]);
        Assert.IsFalse(json["metrics"]!.AsObject().ContainsKey("mean_auc") || json["metrics"]!.AsObject().ContainsKey("accuracy"));
        CollectionAssert.AreEqual(new[] { "label", "rows", "precision", "recall", "f1", "average_precision" }, json["labels"]![0]!.AsObject().Select(p => p.Key).ToArray());
        CollectionAssert.AreEqual(new[] { "label", "rows", "precision", "recall", "f1" }, json["labels"]![1]!.AsObject().Select(p => p.Key).ToArray());
    }

    [TestMethod]
    public void MetricsKeepTheirFullPrecision()
    {
        var metric = 0.123456789012345678;
        var json = JsonNode.Parse((Report with { Metrics = new() { Accuracy = metric } }).ToJson())!;
        Assert.AreEqual(metric, (double?)json["metrics"]!["accuracy"]);
    }

    [TestMethod]
    public void AFailedWriteLeavesTheOldFileAndNothingElse()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "report.json");
        File.WriteAllText(path, "old");
        Assert.ThrowsExactly<IOException>(() => AtomicFile.Write(path, stream =>
        {
            stream.WriteByte(1);
            throw new IOException("no space");
        }));
        Assert.AreEqual("old", File.ReadAllText(path));
        CollectionAssert.AreEqual(new[] { path }, Directory.GetFiles(folder.Path));
        Report.Write(path);
        Assert.AreEqual(Report.ToJson(), File.ReadAllText(path));
    }

    private static string[] Keys(RunReport report) => [.. JsonNode.Parse(report.ToJson())!["metrics"]!.AsObject().Select(p => p.Key)];
}
