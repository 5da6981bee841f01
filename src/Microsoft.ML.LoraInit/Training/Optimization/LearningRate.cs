namespace Microsoft.ML.LoraInit.Training.Optimization;

/// <summary>
/// The learning rate of each optimiser step, as transformers' <c>get_{linear,cosine,constant}_schedule_with_warmup</c>
/// compute it: steps count from 0, so that with a warm-up the first step's rate is 0.
/// </summary>
internal sealed class LearningRate
{
    private readonly LearningRateSchedule _schedule;
    private readonly double _peak;

    /// <param name="schedule">What follows the warm-up.</param>
    /// <param name="peak">The rate at the warm-up's end.</param>
    /// <param name="warmupSteps">Steps over which the rate rises linearly from 0.</param>
    /// <param name="totalSteps">Steps of the whole run.</param>
    public LearningRate(LearningRateSchedule schedule, double peak, long warmupSteps, long totalSteps)
    {
        if (!(peak >= 0) || !double.IsFinite(peak))
            throw new ArgumentOutOfRangeException(nameof(peak), $"The learning rate must be a number of at least 0; it is {peak}.");
        ArgumentOutOfRangeException.ThrowIfNegative(warmupSteps);
        ArgumentOutOfRangeException.ThrowIfNegative(totalSteps);
        _schedule = schedule;
        _peak = peak;
        WarmupSteps = warmupSteps;
        TotalSteps = totalSteps;
    }

    public long WarmupSteps { get; }

    public long TotalSteps { get; }

    /// <summary>A warm-up over a share of the run, rounded up as transformers' Trainer does.</summary>
    public static LearningRate WithWarmupRatio(LearningRateSchedule schedule, double peak, double ratio, long totalSteps) =>
        ratio is >= 0 and < 1
            ? new(schedule, peak, (long)Math.Ceiling(ratio * totalSteps), totalSteps)
            : throw new ArgumentOutOfRangeException(nameof(ratio), $"WarmupRatio must lie in [0, 1); it is {ratio}.");

    /// <param name="step">From 0.</param>
    public double At(long step)
    {
        if (step < WarmupSteps)
            return _peak * step / Math.Max(1, WarmupSteps);
        double left = Math.Max(1, TotalSteps - WarmupSteps);
        return _peak * _schedule switch
        {
            LearningRateSchedule.Linear => Math.Max(0, (TotalSteps - step) / left),
            LearningRateSchedule.Cosine => Math.Max(0, 0.5 * (1 + Math.Cos(Math.PI * (step - WarmupSteps) / left))),
            LearningRateSchedule.Constant => 1.0,
            _ => throw new InvalidOperationException($"There is no schedule {_schedule}."),
        };
    }
}
