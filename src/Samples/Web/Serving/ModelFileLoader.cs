namespace Microsoft.ML.LoraInit.Samples.Web.Serving;

/// <summary>
/// Holds the model of a file, and the next one when the file has been replaced. A file that cannot be loaded (unfinished,
/// damaged, other columns) changes nothing: the model before goes on serving. The model that was replaced is disposed of as
/// soon as the new one serves; predictions under way still end with it.
/// </summary>
internal sealed partial class ModelFileLoader(MLContext ml, WebSettings settings, ILogger<ModelFileLoader> logger) : IDisposable
{
    private readonly Lock _gate = new();
    private volatile ServedModel? _current;
    private volatile string? _problem;
    private FileStamp? _seen;
    private bool _disposed;

    /// <summary>What serves, or null while no file could be loaded. No prediction that begins from now on is of an earlier one.</summary>
    public ServedModel? Current => _current;

    /// <summary>Why the file as it is now does not serve; null where it does.</summary>
    public string? Problem => _problem;

    /// <summary>Looks at the file and loads it if it is another one than before.</summary>
    /// <returns>Whether a new model serves.</returns>
    public bool Refresh()
    {
        lock (_gate)
        {
            if (_disposed)
                return false;
            var stamp = FileStamp.Of(settings.ModelPath);
            if (stamp is null)
            {
                _seen = null;
                Report(null, $"There is no file {settings.ModelPath}.");
                return false;
            }
            if (stamp == _seen)
                return false;
            try
            {
                var next = ServedModel.Load(ml, settings.ModelPath);
                _seen = stamp;
                Replace(next);
                return true;
            }
            catch (IOException e)
            {
                Report(e, $"{settings.ModelPath}: {e.Message}"); // It may be readable the next time.
            }
            catch (Exception e) when (e is InvalidDataException or UnauthorizedAccessException)
            {
                _seen = stamp;
                Report(e, $"{settings.ModelPath}: {e.Message}");
            }
            return false;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            var last = _current;
            _current = null; // First, so that nobody is given a model that is disposed of.
            last?.Dispose();
        }
    }

    private void Replace(ServedModel next)
    {
        var before = _current;
        _problem = null;
        _current = next; // From here on predictions begin with it; those that began before end with the other.
        before?.Dispose();
        Loaded(settings.ModelPath, next.Version, before?.Version ?? "none");
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
