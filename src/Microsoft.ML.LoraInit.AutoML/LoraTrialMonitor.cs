using Microsoft.ML.AutoML;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Watches an experiment and disposes the models of the trials that are not the best so far: a fine-tuned model holds
/// native memory, and AutoML's own monitor keeps all of them. Set it after <c>SetPipeline</c>, which sets that one.
/// </summary>
public sealed class LoraTrialMonitor : IMonitor
{
    private readonly Action<TrialResult>? _completed;
    private readonly Action<TrialSettings, Exception?>? _failed;
    private TrialResult? _best;

    /// <param name="completed">Called with each trial that ended, before its model may be disposed.</param>
    /// <param name="failed">Called with each trial that failed.</param>
    public LoraTrialMonitor(Action<TrialResult>? completed = null, Action<TrialSettings, Exception?>? failed = null)
    {
        _completed = completed;
        _failed = failed;
    }

    /// <inheritdoc/>
    public void ReportCompletedTrial(TrialResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        _completed?.Invoke(result);
        // The experiment's own rule: it begins with the largest number and takes what is below.
        if (!(result.Loss < (_best?.Loss ?? double.MaxValue)))
        {
            (result.Model as IDisposable)?.Dispose();
            return;
        }
        (_best?.Model as IDisposable)?.Dispose();
        _best = result;
    }

    /// <inheritdoc/>
    public void ReportBestTrial(TrialResult result)
    {
    }

    /// <inheritdoc/>
    public void ReportFailTrial(TrialSettings settings, Exception? exception = null) => _failed?.Invoke(settings, exception);

    /// <inheritdoc/>
    public void ReportRunningTrial(TrialSettings settings)
    {
    }
}
