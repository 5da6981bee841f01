using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>
/// A run's reports on their way out: to the user's <see cref="IProgress{T}"/>, to ML.NET's log (<c>MLContext.Log</c>) and to
/// its progress channel. On the same occasions it looks whether ML.NET has cancelled.
/// </summary>
internal sealed class TrainingMessages : IProgress<TrainingProgress>, IDisposable
{
    private static readonly string[] Metrics = ["loss", "learning rate"];
    private static readonly string[] Units = ["epochs", "steps"];

    private readonly IHostEnvironment _environment;
    private readonly IProgress<TrainingProgress>? _next;
    private readonly CancellationTokenSource _cancellation;
    private readonly IChannel _channel;
    private readonly IProgressChannel _progress;
    private TrainingProgress? _last;

    public TrainingMessages(IHostEnvironment environment, string name, LoraTrainerOptions options)
    {
        _environment = environment;
        _next = options.Progress;
        _cancellation = CancellationTokenSource.CreateLinkedTokenSource(options.CancellationToken);
        _channel = environment.Start(name);
        _progress = environment.StartProgressChannel(name);
        _progress.SetHeader(new ProgressHeader(Metrics, Units), Show);
    }

    /// <summary>The user's token, or ML.NET's own cancellation.</summary>
    public CancellationToken Token => _cancellation.Token;

    /// <summary>A sentence for the log that the user should see.</summary>
    public void Warn(string message) => _channel.Warning(MessageSensitivity.Schema, "{0}", message);

    /// <summary>A sentence for the log.</summary>
    public void Log(string message) => _channel.Info(MessageSensitivity.Schema, "{0}", message);

    public void Report(TrainingProgress value)
    {
        if (MLNetEnvironment.IsCanceled(_environment))
            _cancellation.Cancel();
        if (_last is { Phase: TrainingPhase.Training } last && last.Epoch != value.Epoch)
            _progress.Checkpoint(last.Loss, last.LearningRate, last.Epoch, last.Step);
        _last = value;
        _next?.Report(value);
    }

    public void Dispose()
    {
        _progress.Dispose();
        _channel.Dispose();
        _cancellation.Dispose();
    }

    private void Show(IProgressEntry entry)
    {
        if (_last is not { } last)
            return;
        if (last.Loss is { } loss)
            entry.SetMetric(0, loss);
        if (last.LearningRate is { } rate)
            entry.SetMetric(1, rate);
        entry.SetProgress(0, last.Epoch, last.MaxEpochs);
        if (last.TotalSteps > 0)
            entry.SetProgress(1, last.Step, last.TotalSteps);
        else
            entry.SetProgress(1, last.Step);
    }
}
