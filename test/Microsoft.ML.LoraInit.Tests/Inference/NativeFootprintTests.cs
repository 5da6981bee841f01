using System.Runtime.CompilerServices;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Tests.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inference;

[TestClass]
[DoNotParallelize]
public class NativeFootprintTests
{
    [TestMethod]
    public void CountsTheBytesOfTensorsUntilItIsDisposedOf()
    {
        using var scope = NewDisposeScope();
        var footprint = new NativeFootprint([zeros(3, 5), zeros(7, dtype: ScalarType.BFloat16)]);
        Assert.AreEqual((3 * 5 * 4) + (7 * 2), footprint.Bytes);
        footprint.Dispose();
        footprint.Dispose();
        Assert.AreEqual(0, footprint.Bytes);
    }

    [TestMethod]
    [TestCategory("Long")]
    public void ForgottenTensorsAreCollectedBecauseTheirSizeIsKnown()
    {
        // Enough that the collector answers whatever else the process holds: it weighs the pressure against the heap.
        const int Forgotten = 400;
        LiveTensors.AssertCollected(LiveTensors.Count() + (Forgotten / 2), Forgotten, Forget);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Forget(int _)
        {
            var tensor = empty(4 << 20);
            GC.KeepAlive(new NativeFootprint([tensor]));
        }
    }

    /// <summary>What a host does that swaps models without disposing of them, such as PredictionEnginePool.FromFile.</summary>
    [TestMethod]
    public void ReplacedModelsGoWithoutDisposeAndWithoutACollectionAskedFor()
    {
        var ml = Topics.Context();
        using var stream = new MemoryStream();
        ml.Model.Save(TrainedModels.Multiclass, null, stream);
        long before = LiveTensors.Count();

        Replace(ml, stream, before, models: 20);

        LiveTensors.AssertNoMoreThan(before, "all of them go in the end");
    }

    // A method of its own, so that its variables hold no model when it has returned.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Replace(MLContext ml, MemoryStream stream, long before, int models)
    {
        var current = Engine(ml, stream);
        long perModel = Tensor.TotalCount - before;
        Assert.IsTrue(perModel > 0, "a model holds tensors");
        LiveTensors.AssertCollected(before + (8 * perModel), models, _ => current = Engine(ml, stream));
        GC.KeepAlive(current);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static PredictionEngine<Topics.Row, Topics.Prediction> Engine(MLContext ml, MemoryStream stream)
    {
        stream.Position = 0;
        var engine = ml.Model.CreatePredictionEngine<Topics.Row, Topics.Prediction>(ml.Model.Load(stream, out _));
        engine.Predict(Topics.Rows[0]);
        return engine;
    }
}
