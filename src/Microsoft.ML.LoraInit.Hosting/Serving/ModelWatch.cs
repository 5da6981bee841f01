using Microsoft.Extensions.Logging;
using Microsoft.ML.LoraInit.Hosting.Files;

namespace Microsoft.ML.LoraInit.Hosting.Serving;

/// <summary>
/// Looks at a model's file again and again, and at once where the system tells of a change. A look costs next to nothing and sees what
/// notifications miss: a network share, a mounted volume, a folder that came later.
/// </summary>
internal sealed partial class ModelWatch : IDisposable
{
    // A file that is being written is looked at when it has come to rest.
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(50);

    private readonly string _name, _path;
    private readonly Action<bool> _refresh;
    private readonly TimeSpan _poll;
    private readonly bool _again;
    private readonly ILogger _logger;
    private readonly ManualResetEvent _stop = new(false);
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;
    private string? _failure, _deaf;

    /// <param name="name">The model's name.</param>
    /// <param name="path">The model's file.</param>
    /// <param name="refresh">Looks at it; told true where the system told of a change.</param>
    /// <param name="poll">Time between two looks.</param>
    /// <param name="again">Whether there is more than one look.</param>
    /// <param name="logger">Hears of what goes wrong.</param>
    public ModelWatch(string name, string path, Action<bool> refresh, TimeSpan poll, bool again, ILogger logger)
    {
        (_name, _path, _refresh, _poll, _again, _logger) = (name, path, refresh, poll, again, logger);
        // One thread for every load: the native allocator keeps memory by thread, so loads that wander over the thread pool would
        // leave each of its threads with room for a model.
        _thread = new Thread(Watch) { IsBackground = true, Name = $"loratext {name}" };
        _thread.Start();
    }

    /// <summary>Ends with the first look.</summary>
    public Task FirstLook => _first.Task;

    public void Dispose()
    {
        _stop.Set();
        _thread.Join();
        _stop.Dispose();
        _first.TrySetResult();
    }

    private void Watch()
    {
        ChangeSignal? signal = null;
        try
        {
            bool told = false;
            do
            {
                if (_again && signal is null or { Obstacle: not null })
                    signal = Listen(signal);
                Look(told);
                _first.TrySetResult();
                if (!_again)
                    return;
                told = WaitHandle.WaitAny([_stop, signal!.Changed], _poll) == 1;
            }
            while (!_stop.WaitOne(told ? Rest : TimeSpan.Zero));
        }
        finally
        {
            signal?.Dispose();
        }
    }

    private ChangeSignal Listen(ChangeSignal? deaf)
    {
        deaf?.Dispose();
        var signal = new ChangeSignal(_path);
        if (signal.Obstacle is { } obstacle && obstacle != _deaf)
            Deaf(_name, _path, _poll, obstacle);
        _deaf = signal.Obstacle;
        return signal;
    }

    private void Look(bool told)
    {
        try
        {
            _refresh(told);
            _failure = null;
        }
        catch (Exception e)
        {
            // Whatever a file makes loading throw, the model before goes on serving.
            if (e.Message != _failure)
                Failed(e, _name, _path);
            _failure = e.Message;
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Looking at the file of the model {Name}, {Path}, failed")]
    private partial void Failed(Exception exception, string name, string path);

    [LoggerMessage(Level = LogLevel.Information, Message = "The model {Name}: no notices of changes of {Path}, so it is looked at every {Poll} ({Obstacle})")]
    private partial void Deaf(string name, string path, TimeSpan poll, string obstacle);
}
