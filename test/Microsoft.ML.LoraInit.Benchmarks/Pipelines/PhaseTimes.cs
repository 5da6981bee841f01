using System.Diagnostics;

namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary>How long the phases of a <c>Fit</c> take, from its own reports.</summary>
internal sealed class PhaseTimes : IProgress<TrainingProgress>
{
    private readonly long[] _ticks = new long[Enum.GetValues<TrainingPhase>().Length];
    private readonly long _began = Stopwatch.GetTimestamp();
    private readonly TimeSpan[] _cpu = new TimeSpan[Enum.GetValues<TrainingPhase>().Length];
    private long _since = Stopwatch.GetTimestamp();
    private TimeSpan _cpuSince = Environment.CpuUsage.TotalTime;
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
        var cpu = Environment.CpuUsage.TotalTime;
        _cpu[(int)_phase] += cpu - _cpuSince;
        _cpuSince = cpu;
    }

    public double Total => Stopwatch.GetElapsedTime(_began, _since).TotalMilliseconds;

    /// <summary>Processor time of all threads in a phase, ms.</summary>
    public double CpuOf(TrainingPhase phase) => _cpu[(int)phase].TotalMilliseconds;

    public double Of(TrainingPhase phase) => Stopwatch.GetElapsedTime(0, _ticks[(int)phase]).TotalMilliseconds;
}
