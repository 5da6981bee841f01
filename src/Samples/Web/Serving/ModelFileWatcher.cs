namespace Microsoft.ML.LoraInit.Samples.Web.Serving;

/// <summary>
/// Looks at the model file again and again. A look costs next to nothing and sees what change notifications miss: a file
/// moved into place, a network share, a mounted volume.
/// </summary>
internal sealed partial class ModelFileWatcher(ModelFileLoader loader, WebSettings settings, ILogger<ModelFileWatcher> logger) : BackgroundService
{
    // One thread for every load: the native allocator keeps memory by thread, so loads that wander over the thread pool would
    // leave each of its threads with room for a model.
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.Factory.StartNew(() => Watch(stoppingToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private void Watch(CancellationToken stoppingToken)
    {
        string? failure = null;
        do
        {
            try
            {
                loader.Refresh();
            }
            catch (Exception e)
            {
                // Whatever a file makes loading throw, the model before goes on serving.
                if (e.Message != failure)
                    Failed(e, settings.ModelPath);
                failure = e.Message;
            }
        }
        while (!stoppingToken.WaitHandle.WaitOne(settings.Poll));
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Looking at {Path} failed")]
    private partial void Failed(Exception exception, string path);
}
