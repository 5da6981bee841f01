using System.Diagnostics;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>Passes reports on, ten a second at most except at phases' and epochs' ends, and messages to the log.</summary>
internal sealed class ProgressReporter(IProgress<TrainingProgress>? progress, Action<string>? log, Action<string>? warn = null)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    // Without a listener the loss is still read now and then, to notice that it is no number any more.
    private static readonly TimeSpan Unheard = TimeSpan.FromSeconds(2);

    private long _last = Stopwatch.GetTimestamp();

    /// <summary>Whether enough time has passed since the last report.</summary>
    public bool Due => Stopwatch.GetElapsedTime(_last) >= (progress is null ? Unheard : Interval);

    /// <summary>Reports now.</summary>
    public void Report(TrainingProgress report)
    {
        _last = Stopwatch.GetTimestamp();
        progress?.Report(report);
    }

    /// <summary>Reports if a report is due.</summary>
    public void ReportIfDue(Func<TrainingProgress> report)
    {
        if (progress is not null && Due)
            Report(report());
    }

    public void Log(string message) => log?.Invoke(message);

    public void Warn(string message) => (warn ?? log)?.Invoke(message);
}
