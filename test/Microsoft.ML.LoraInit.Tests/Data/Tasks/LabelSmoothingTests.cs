using Microsoft.ML.LoraInit.Data.Tasks;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Data.Tasks;

[TestClass]
public sealed class LabelSmoothingTests
{
    [TestMethod]
    public void AClassGivesItsShareToAllClasses()
    {
        // log softmax of (ln 1, ln 2, ln 5) is ln of 1/8, 2/8, 5/8.
        var loss = Loss(new MulticlassTask(3).Smoothed(0.3), [0, MathF.Log(2), MathF.Log(5)], [2], 3);
        var expected = -((0.8 * Math.Log(5 / 8.0)) + (0.1 * Math.Log(2 / 8.0)) + (0.1 * Math.Log(1 / 8.0)));
        Assert.AreEqual(expected, loss, 1e-6);
    }

    [TestMethod]
    public void YesAndNoMoveTowardsTheMiddle()
    {
        var expected = -((0.9 * Math.Log(0.75)) + (0.1 * Math.Log(0.25)));
        Assert.AreEqual(expected, Loss(new BinaryTask().Smoothed(0.2), [MathF.Log(3)], [1], 1), 1e-6);
        Assert.AreEqual(expected, Loss(new MultiLabelTask(2).Smoothed(0.2), [MathF.Log(3), -MathF.Log(3)], [1, 0], 2), 1e-6);
    }

    [TestMethod]
    public void MetricsAreOfTheTrueLabels()
    {
        var task = new MulticlassTask(2);
        float[][] logits = [[1, 0]];
        Assert.AreEqual(task.Evaluate(logits, [0], null).LogLoss, task.Smoothed(0.5).Evaluate(logits, [0], null).LogLoss);
        Assert.AreEqual(Loss(task, [1, 0], [0], 2), task.Evaluate(logits, [0], null).LogLoss!.Value, 1e-6);
    }

    private static double Loss(TextTask task, float[] logits, float[] labels, int outputs)
    {
        using var scope = NewDisposeScope();
        return task.Loss(tensor(logits, [1, outputs]), task.Targets(labels, CPU), null).item<float>();
    }
}
