using Microsoft.Extensions.ObjectPool;
using Microsoft.Extensions.Primitives;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

/// <summary>
/// Treats a model as <c>PredictionEnginePool</c> with <c>FromFile(path, watchForChanges: true)</c> of Microsoft.Extensions.ML does,
/// which these tests are built without. As in PredictionEnginePool.cs, PoolLoader.cs, PredictionEnginePoolPolicy.cs and
/// FileModelLoader.cs of dotnet/machinelearning 5.0.0 (src/Microsoft.Extensions.ML):
/// a changed file is loaded on a thread of the watcher's; the new engines take the place of the old ones, and neither those nor
/// their model are disposed of; every engine owns the model, as it would if it were disposed of; an engine that is out meanwhile
/// is returned to the new ones; of engines that are returned, two a core are kept; a load that fails is logged, and its change token
/// never fires, so that the engines stay what they are whatever is loaded later.
/// </summary>
internal sealed class PoolStandIn<TData, TPrediction> : IDisposable
    where TData : class
    where TPrediction : class, new()
{
    private readonly MLContext _ml;
    private readonly string _path;
    private readonly IDisposable _registration;
    private CancellationTokenSource _reload = new();
    private ITransformer _model;
    private ObjectPool<PredictionEngine<TData, TPrediction>> _engines;

    public PoolStandIn(MLContext ml, string path)
    {
        (_ml, _path) = (ml, path);
        _model = Load();
        _engines = Engines();
        _registration = ChangeToken.OnChange(() => new CancellationChangeToken(_reload.Token), () => Volatile.Write(ref _engines, Engines()));
    }

    /// <summary>What the last load that failed threw; the pool's log has it.</summary>
    public Exception? Failure { get; private set; }

    public PredictionEngine<TData, TPrediction> Rent() => Volatile.Read(ref _engines).Get();

    public void Return(PredictionEngine<TData, TPrediction> engine) => Volatile.Read(ref _engines).Return(engine);

    public TPrediction Predict(TData row)
    {
        var engine = Rent();
        try
        {
            return engine.Predict(row);
        }
        finally
        {
            Return(engine);
        }
    }

    /// <summary>What the watcher does when it is told of a change, on a thread that is neither the caller's nor the last one's.</summary>
    public void FileChanged()
    {
        var watcher = new Thread(Reload);
        watcher.Start();
        watcher.Join();
    }

    public void Dispose()
    {
        _registration.Dispose();
        _reload.Dispose();
    }

    private void Reload()
    {
        try
        {
            var previous = Interlocked.Exchange(ref _reload, new CancellationTokenSource());
            _model = Load();
            previous.Cancel();
        }
        catch (Exception e)
        {
            Failure = e;
        }
    }

    private ITransformer Load()
    {
        using var file = File.OpenRead(_path);
        return _ml.Model.Load(file, out _);
    }

    private DefaultObjectPool<PredictionEngine<TData, TPrediction>> Engines() => new(new Policy(_ml, _model));

    private sealed class Policy(MLContext ml, ITransformer model) : PooledObjectPolicy<PredictionEngine<TData, TPrediction>>
    {
        public override PredictionEngine<TData, TPrediction> Create() => ml.Model.CreatePredictionEngine<TData, TPrediction>(model);

        public override bool Return(PredictionEngine<TData, TPrediction> obj) => true;
    }
}
