using System.Diagnostics;

namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary>How long the phases of a <c>Fit</c> take, from its own reports.</summary>
internal sealed class PhaseTimes : IProgress<TrainingProgress>
{
    private readonly long[] _ticks = new long[Enum.GetValues<TrainingPhase>().Length];
    private readonly long _began = Stopwatch.GetTimestamp();
    private long _since = Stopwatch.GetTimestamp();
    private TrainingPhase _phase = TrainingPhase.LoadingModel;

    public void Report(TrainingProgress value)
    {
        if (value.Phase == _phase)
            return;
        Close();
        _phase = value.Phase;
    }

    /// <summary>Ends the last phase.</summary>
    public void Close()
    {
        var now = Stopwatch.GetTimestamp();
        _ticks[(int)_phase] += now - _since;
        _since = now;
    }

    public double Total => Stopwatch.GetElapsedTime(_began, _since).TotalMilliseconds;

    public double Of(TrainingPhase phase) => Stopwatch.GetElapsedTime(0, _ticks[(int)phase]).TotalMilliseconds;
}
