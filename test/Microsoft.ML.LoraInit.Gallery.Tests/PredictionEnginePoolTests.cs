using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.ML;
using Microsoft.Extensions.Primitives;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

/// <summary>Models in ML.NET's own <c>PredictionEnginePool</c>. The main tests have a stand-in of it, held to the same.</summary>
[TestClass]
[DoNotParallelize]
public class PredictionEnginePoolTests
{
    [TestMethod]
    public void ThePoolServesASavedModel()
    {
        using var folder = new TemporaryFolder();
        var ml = Topics.Context();
        ml.Model.Save(TrainedModels.Multiclass, Topics.View(ml).Schema, folder.File("model.mlnet"));
        var services = new ServiceCollection();
        services.AddPredictionEnginePool<Topics.Row, Topics.Prediction>().FromFile(string.Empty, folder.File("model.mlnet"), watchForChanges: false);
        using var provider = services.BuildServiceProvider();
        var pool = provider.GetRequiredService<PredictionEnginePool<Topics.Row, Topics.Prediction>>();

        Parallel.ForEach(Topics.Rows, row => Assert.AreEqual(3, pool.Predict(row).Score.Length));

        Assert.AreEqual("sport", pool.Predict(Topics.Rows.First(r => r.Label == "sport")).PredictedLabel);
    }

    /// <summary>What the stand-in says of the pool: an engine that is out comes back to the new model's, and nothing is disposed of.</summary>
    [TestMethod]
    public void AnEngineThatWasOutComesBackAndTheModelBeforeGoesWithIt()
    {
        using var loader = new Loader(TrainedModels.Multiclass);
        var services = new ServiceCollection();
        services.AddPredictionEnginePool<Topics.Row, Topics.Prediction>();
        services.AddOptions<PredictionEnginePoolOptions<Topics.Row, Topics.Prediction>>().Configure(o => o.ModelLoader = loader);
        using var provider = services.BuildServiceProvider();
        var pool = provider.GetRequiredService<PredictionEnginePool<Topics.Row, Topics.Prediction>>();

        var before = ReplaceWhileOut(pool, loader);

        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Assert.IsTrue(before.TryGetTarget(out _), "an engine that came back holds the model before");
        var first = pool.GetPredictionEngine();
        Assert.AreEqual(3, first.Predict(Topics.Rows[0]).Score.Length, "and goes on answering: nobody disposed of it");
    }

    // A method of its own, so that its variables hold no model when it has returned.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference<ITransformer> ReplaceWhileOut(PredictionEnginePool<Topics.Row, Topics.Prediction> pool, Loader loader)
    {
        loader.Replace(Copy());
        var before = new WeakReference<ITransformer>(loader.GetModel());
        var engine = pool.GetPredictionEngine();
        loader.Replace(Copy());
        pool.ReturnPredictionEngine(engine);
        return before;
    }

    private static ITransformer Copy()
    {
        var ml = Topics.Context();
        using var stream = new MemoryStream();
        ml.Model.Save(TrainedModels.Multiclass, null, stream);
        stream.Position = 0;
        return ml.Model.Load(stream, out _);
    }

    private sealed class Loader(ITransformer model) : ModelLoader, IDisposable
    {
        private ITransformer _model = model;
        private CancellationTokenSource _reload = new();

        public override IChangeToken GetReloadToken() => new CancellationChangeToken(_reload.Token);

        public override ITransformer GetModel() => _model;

        public void Replace(ITransformer next)
        {
            _model = next;
            Interlocked.Exchange(ref _reload, new CancellationTokenSource()).Cancel();
        }

        public void Dispose() => _reload.Dispose();
    }
}
