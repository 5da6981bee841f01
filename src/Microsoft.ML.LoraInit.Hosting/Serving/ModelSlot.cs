using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Microsoft.ML.LoraInit.Hosting.Files;
using Microsoft.ML.LoraInit.Hosting.Telemetry;

namespace Microsoft.ML.LoraInit.Hosting.Serving;

/// <summary>
/// Holds the model of a file, and the next one when the content has changed and the new one has answered. A file that cannot be loaded
/// (unfinished, damaged, other columns, not finite) changes nothing: the model before goes on serving.
/// </summary>
internal sealed partial class ModelSlot<TInput, TPrediction>(string name, MLContext ml, LoraTextOptions<TInput> options, HostingMetrics metrics, ILogger logger) : IDisposable
    where TInput : class
    where TPrediction : class, new()
{
    private readonly string _path = Path.GetFullPath(options.ModelPath);
    private readonly Lock _gate = new();
    private volatile LoadedModel<TInput, TPrediction>? _current;
    private volatile string? _problem = "Its file is about to be read.";
    private string? _logged, _refused;
    private FileStamp? _seen;
    private long _compared;
    private bool _disposed;

    public string FilePath => _path;

    public ServedModelInfo? Info => _current?.Info;

    /// <summary>Why the file as it is now does not serve, without any folder; null where it does.</summary>
    public string? Problem => _problem;

    /// <summary>The model that serves, which stays alive until <see cref="LoadedModel{TInput, TPrediction}.Leave"/>.</summary>
    /// <exception cref="ModelUnavailableException">There is none.</exception>
    /// <exception cref="ObjectDisposedException">This was disposed of.</exception>
    public LoadedModel<TInput, TPrediction> Enter()
    {
        while (true)
        {
            var model = _current;
            if (model is null)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                throw new ModelUnavailableException(name, _problem ?? "It was removed.");
            }
            if (model.TryEnter())
                return model; // Otherwise it was replaced after it was taken, and the next one is there.
        }
    }

    /// <summary>Looks at the file and loads it where its content is another than before.</summary>
    /// <param name="told">Whether the system told of a change, so that the content is compared whatever the file looks like.</param>
    public void Refresh(bool told)
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            if (FileStamp.Of(_path) is not { } stamp)
            {
                (_seen, _refused) = (null, null);
                Report(null, $"There is no file {_path}.", $"There is no file {Path.GetFileName(_path)}.");
                return;
            }
            bool due = options.ContentCheckInterval != Timeout.InfiniteTimeSpan && Stopwatch.GetElapsedTime(_compared) >= options.ContentCheckInterval;
            if (stamp == _seen && !told && !due)
                return;
            Try(stamp, againRefused: due);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            _disposed = true;
            var last = _current;
            _current = null; // First, so that nobody is given a model that is disposed of.
            last?.Leave();
        }
    }

    private void Try(FileStamp stamp, bool againRefused)
    {
        long begun = Stopwatch.GetTimestamp();
        bool isNews = false;
        Activity? activity = null;
        try
        {
            using var file = new FileStream(stamp.Place, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var hash = Convert.ToHexStringLower(SHA256.HashData(file));
            _compared = Stopwatch.GetTimestamp();
            if (hash == _current?.Info.Sha256)
            {
                (_seen, _refused, _logged, _problem) = (stamp, null, null, null); // Touched, or what serves is back.
                return;
            }
            if (hash == _refused && !againRefused)
            {
                _seen = stamp;
                return;
            }
            _refused = hash; // Until it has proved itself.
            activity = HostingMetrics.Activities.StartActivity("loratext reload");
            activity?.SetTag("model", name).SetTag("version", hash[..12]);
            file.Position = 0;
            var next = LoadedModel<TInput, TPrediction>.Load(ml, file, hash, stamp.WrittenAt, options, () => metrics.ModelDisposed(name));
            metrics.ModelLoaded(name);
            if (FileStamp.Of(_path) != stamp)
            {
                next.Leave();
                _refused = null;
                throw new IOException($"{_path} changed while it was read.");
            }
            _seen = stamp;
            Replace(next);
            metrics.Reloaded(name, Stopwatch.GetElapsedTime(begun), HostingMetrics.Ok);
            return;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _refused = null; // It may be readable the next time.
            isNews = Report(e, $"{_path}: {e.Message}", Public("It cannot be read just now"));
        }
        catch (InvalidDataException e)
        {
            _seen = stamp;
            isNews = Report(e, $"{_path}: {e.Message}", Public(e.Message.Split(':')[0]));
        }
        finally
        {
            activity?.SetStatus(_problem is null ? ActivityStatusCode.Ok : ActivityStatusCode.Error, _problem);
            activity?.Dispose();
            if (isNews)
                metrics.Reloaded(name, Stopwatch.GetElapsedTime(begun), HostingMetrics.Refused);
        }

        // Anybody may ask for the health, and messages have paths in them.
        string Public(string reason) => $"{Path.GetFileName(_path)}: {reason.TrimEnd('.')}. The log says more.";
    }

    private void Replace(LoadedModel<TInput, TPrediction> next)
    {
        var before = _current;
        (_refused, _logged, _problem) = (null, null, null);
        _current = next; // From here on calls begin with it; those that began before end with the other.
        before?.Leave();
        Loaded(name, _path, next.Info.Version, before?.Info.Version ?? "none", next.Info.Engine);
    }

    /// <returns>Whether it was not said before.</returns>
    private bool Report(Exception? exception, string problem, string shown)
    {
        bool isNews = problem != _logged;
        if (isNews)
            NotLoaded(exception, name, problem);
        (_logged, _problem) = (problem, shown);
        return isNews;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The model {Name} serves {Path}, version {Version} (before: {Before}), by {Engine}")]
    private partial void Loaded(string name, string path, string version, string before, string engine);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The file of the model {Name} is not served. {Problem}")]
    private partial void NotLoaded(Exception? exception, string name, string problem);
}
