namespace Microsoft.ML.LoraInit.Samples.Web.Serving;

/// <summary>
/// Looks at the model file again and again. A look costs next to nothing and sees what change notifications miss: a file
/// moved into place, a network share, a mounted volume.
/// </summary>
internal sealed partial class ModelFileWatcher(ModelFileLoader loader, WebSettings settings, ILogger<ModelFileWatcher> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(settings.Poll);
        do
        {
            try
            {
                await Task.Run(loader.Refresh, stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                Failed(e, settings.ModelPath); // Whatever a file makes loading throw, the model before goes on serving.
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Looking at {Path} failed")]
    private partial void Failed(Exception exception, string path);
}
