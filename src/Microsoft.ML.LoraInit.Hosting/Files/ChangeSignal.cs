namespace Microsoft.ML.LoraInit.Hosting.Files;

/// <summary>
/// Hears of changes of a file where the system tells of them. What it does not tell of (a network share, a folder that was moved away) is
/// found by looking.
/// </summary>
internal sealed class ChangeSignal : IDisposable
{
    // The link that Kubernetes swaps when a ConfigMap or Secret changes.
    private const string MountedData = "..data";

    private readonly string _name;
    private readonly AutoResetEvent _changed = new(false);
    private readonly FileSystemWatcher? _watcher;

    public ChangeSignal(string path)
    {
        _name = Path.GetFileName(path);
        try
        {
            _watcher = new(Path.GetDirectoryName(path)!) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size };
            _watcher.Created += Told;
            _watcher.Changed += Told;
            _watcher.Deleted += Told;
            _watcher.Renamed += Told;
            _watcher.Error += (_, _) => Set();
            _watcher.EnableRaisingEvents = true;
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            _watcher?.Dispose();
            _watcher = null;
            Obstacle = e.Message;
        }
    }

    /// <summary>Why nothing is heard: the folder is not there, or the system has no watches left. Null where it listens.</summary>
    public string? Obstacle { get; }

    /// <summary>Set by a change.</summary>
    public WaitHandle Changed => _changed;

    public void Dispose()
    {
        _watcher?.Dispose();
        _changed.Dispose();
    }

    private void Told(object sender, FileSystemEventArgs e)
    {
        if (e.Name == _name || e.Name == MountedData || (e is RenamedEventArgs renamed && renamed.OldName == _name))
            Set();
    }

    private void Set()
    {
        try
        {
            _changed.Set();
        }
        catch (ObjectDisposedException)
        {
            // An event that was under way while this was disposed of.
        }
    }
}
