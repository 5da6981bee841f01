using System.Runtime.CompilerServices;
using Microsoft.ML.LoraInit.Tests.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

/// <summary>Models in the hands of a <c>PredictionEnginePool</c>: see <see cref="PoolStandIn{TData, TPrediction}"/>.</summary>
[TestClass]
[DoNotParallelize]
public class EnginePoolTests
{
    [TestMethod]
    public void ThePoolServesASavedModel()
    {
        using var folder = new TemporaryFolder();
        using var pool = Pool(folder);

        Parallel.ForEach(Topics.Rows, row => Assert.AreEqual(3, pool.Predict(row).Score.Length));

        Assert.AreEqual("sport", pool.Predict(Topics.Rows.First(r => r.Label == "sport")).PredictedLabel);
    }

    [TestMethod]
    public void ModelsReplacedUnderManyThreadsAnswerRightAndGoWithoutDispose()
    {
        _ = SavedModel.Second.Bytes;
        long before = LiveTensors.Count();

        var wrong = ReplaceUnderLoad(replacements: 16, threads: 4 * Environment.ProcessorCount);

        Assert.AreEqual(0, wrong.Count, string.Join(Environment.NewLine, wrong.Take(3)));
        LiveTensors.AssertNoMoreThan(before, "all of them go in the end");
    }

    [TestMethod]
    public void AnEngineThatWasOutComesBackAndAnswersWithTheModelBefore()
    {
        using var folder = new TemporaryFolder();
        using var pool = Pool(folder);
        var row = Topics.Rows[0];
        var engine = pool.Rent();

        Replace(pool, folder, SavedModel.Second);
        LiveTensors.Count(); // The engine is all that holds its model now.

        Assert.IsTrue(SavedModel.First.Says(row.Text, engine.Predict(row).Score));
        Assert.IsTrue(SavedModel.Second.Says(row.Text, pool.Predict(row).Score));
        pool.Return(engine);
        var kept = Enumerable.Range(0, 2).Select(_ => pool.Rent().Predict(row).Score).ToArray();
        Assert.IsTrue(kept.Any(s => SavedModel.First.Says(row.Text, s)) && kept.Any(s => SavedModel.Second.Says(row.Text, s)), "the pool has both");
    }

    [TestMethod]
    public void AFileThatCannotBeLoadedChangesNothingAndHoldsNothing()
    {
        using var folder = new TemporaryFolder();
        using var pool = Pool(folder);
        var row = Topics.Rows[0];
        pool.Predict(row);
        long before = LiveTensors.Count();

        for (int quarter = 1; quarter < 4; quarter++)
        {
            File.WriteAllBytes(ModelFile(folder), SavedModel.Second.Bytes[..(quarter * SavedModel.Second.Bytes.Length / 4)]);
            pool.FileChanged();
            Assert.IsNotNull(pool.Failure);
            Assert.IsTrue(SavedModel.First.Says(row.Text, pool.Predict(row).Score));
        }

        LiveTensors.AssertNoMoreThan(before);
    }

    private static string ModelFile(TemporaryFolder folder) => folder.File("model.mlnet");

    private static PoolStandIn<Topics.Row, Topics.Prediction> Pool(TemporaryFolder folder)
    {
        SavedModel.First.MoveTo(ModelFile(folder));
        return new(Topics.Context(), ModelFile(folder));
    }

    private static void Replace(PoolStandIn<Topics.Row, Topics.Prediction> pool, TemporaryFolder folder, SavedModel next)
    {
        next.MoveTo(ModelFile(folder));
        pool.FileChanged();
        Assert.IsNull(pool.Failure);
    }

    // A method of its own, so that its variables hold no model when it has returned.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static IReadOnlyCollection<string> ReplaceUnderLoad(int replacements, int threads)
    {
        using var folder = new TemporaryFolder();
        long before = Tensor.TotalCount;
        using var pool = Pool(folder);
        pool.Predict(Topics.Rows[0]);
        long perModel = Tensor.TotalCount - before;
        Assert.IsTrue(perModel > 0, "a model holds tensors");
        using var load = new PoolLoad(pool, threads);

        LiveTensors.AssertCollected(before + (10 * perModel), replacements, i =>
        {
            Replace(pool, folder, i % 2 == 0 ? SavedModel.Second : SavedModel.First);
            load.WaitForAnswers(threads);
        });
        return load.End();
    }
}
