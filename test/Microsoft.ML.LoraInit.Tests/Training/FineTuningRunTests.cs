using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Training;

namespace Microsoft.ML.LoraInit.Tests.Training;

[TestClass]
public class FineTuningRunTests
{
    public static IEnumerable<object[]> Tasks => [[new MulticlassTask(3)], [new BinaryTask()], [new RegressionTask()]];

    [TestMethod]
    [DynamicData(nameof(Tasks), DynamicDataDisplayName = nameof(Name))]
    public void ItLearnsASeparableTask(object task)
    {
        using var trained = FineTuningRun.Execute(ToyRun.Request(o => o.MaxEpochs = 4, rows: 96, validationRows: 48, task: (TextTask)task));
        var last = trained.History.Epochs[^1];
        Assert.AreEqual(4, trained.History.Epochs.Count);
        Assert.AreEqual(48, trained.History.Steps);
        Assert.IsTrue(((TextTask)task).MetricOf(last.Metrics!) > 0.95, trained.History.ToJson());
        Assert.IsTrue(last.TrainLoss < trained.History.Epochs[0].TrainLoss / 2, trained.History.ToJson());
    }

    public static string Name(System.Reflection.MethodInfo method, object[] data) => $"{method.Name} ({((TextTask)data[0]).Kind})";
}
