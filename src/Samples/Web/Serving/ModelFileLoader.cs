using Microsoft.Extensions.ML;
using Microsoft.Extensions.Primitives;

namespace Microsoft.ML.LoraInit.Samples.Web.Serving;

/// <summary>
/// Gives a <c>PredictionEnginePool</c> the model of a file, and the next one when the file has been replaced. A file that
/// cannot be loaded (unfinished, damaged, other columns) changes nothing: the model before goes on serving. The model that
/// was replaced is disposed of as soon as the pool has the new one; predictions under way still end with it.
/// </summary>
internal sealed partial class ModelFileLoader(MLContext ml, string path, ILogger<ModelFileLoader> logger) : ModelLoader, IDisposable
{
    private readonly Lock _gate = new();
    private volatile ServedModel? _current, _offered;
    private volatile string? _problem;
    private CancellationTokenSource _reload = new();
    private FileStamp? _seen;
    private bool _disposed;

    /// <summary>What serves, or null while no file could be loaded. No prediction that begins from now on is of an earlier one.</summary>
    public ServedModel? Current => _current;

    /// <summary>Why the file as it is now does not serve; null where it does.</summary>
    public string? Problem => _problem;

    public override IChangeToken GetReloadToken() => new CancellationChangeToken(Volatile.Read(ref _reload).Token);

    /// <exception cref="InvalidOperationException">No file could be loaded yet.</exception>
    public override ITransformer GetModel() =>
        _offered?.Transformer ?? throw new InvalidOperationException($"There is no model: {_problem ?? "its file was not read yet"}");

    /// <summary>Looks at the file and loads it if it is another one than before.</summary>
    /// <returns>Whether a new model serves.</returns>
    public bool Refresh()
    {
        lock (_gate)
        {
            if (_disposed)
                return false;
            var stamp = FileStamp.Of(path);
            if (stamp is null)
            {
                _seen = null;
                Report(null, $"There is no file {path}.");
                return false;
            }
            if (stamp == _seen)
                return false;
            try
            {
                var next = ServedModel.Load(ml, path);
                _seen = stamp;
                Replace(next);
                return true;
            }
            catch (IOException e)
            {
                Report(e, $"{path}: {e.Message}"); // It may be readable the next time.
            }
            catch (Exception e) when (e is InvalidDataException or UnauthorizedAccessException)
            {
                _seen = stamp;
                Report(e, $"{path}: {e.Message}");
            }
            return false;
        }
    }

    /// <summary>Runs something that must not see a model replaced meanwhile.</summary>
    public T WhileUnchanged<T>(Func<T> function)
    {
        lock (_gate)
            return function();
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            (_offered?.Transformer as IDisposable)?.Dispose();
        }
    }

    private void Replace(ServedModel next)
    {
        var before = _offered;
        _offered = next;
        using (var reload = Interlocked.Exchange(ref _reload, new CancellationTokenSource()))
            reload.Cancel(); // The pool makes its engines from the new model when this returns.
        (before?.Transformer as IDisposable)?.Dispose();
        _current = next;
        _problem = null;
        Loaded(path, next.Version, before?.Version ?? "none");
    }

    private void Report(Exception? exception, string problem)
    {
        if (problem != _problem)
            NotLoaded(exception, problem);
        _problem = problem;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Serving {Path}, version {Version} (before: {Before})")]
    private partial void Loaded(string path, string version, string before);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The model file is not served. {Problem}")]
    private partial void NotLoaded(Exception? exception, string problem);
}
