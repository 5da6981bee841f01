using System.Diagnostics;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Steps;

/// <summary>
/// Times blocks of steps after a warm-up. The device is waited for at the blocks' ends alone, so that within a block the host
/// may run ahead of it as it does in training.
/// </summary>
internal sealed class StepTimer(StepSetup setup)
{
    private readonly List<double> _milliseconds = [];
    private readonly List<double> _cpuMilliseconds = [];
    private long _started;
    private TimeSpan _cpuStarted;

    /// <summary>Median of the blocks.</summary>
    public double StepMilliseconds => Statistics.Median(_milliseconds);

    /// <summary>Processor time of all threads a step, median of the blocks: steadier than time where other programs run too.</summary>
    public double CpuMilliseconds => Statistics.Median(_cpuMilliseconds);

    public double FastestMilliseconds => _milliseconds.Min();

    public double SlowestMilliseconds => _milliseconds.Max();

    /// <summary>To be called after every step with the number of steps done.</summary>
    public void StepDone(long steps)
    {
        var measured = steps - setup.Warmup;
        if (measured < 0 || measured % setup.Steps != 0)
            return;
        if (setup.Device.type == DeviceType.CUDA)
            cuda.synchronize(setup.Device);
        if (measured > 0)
        {
            _milliseconds.Add(Stopwatch.GetElapsedTime(_started).TotalMilliseconds / setup.Steps);
            _cpuMilliseconds.Add((Environment.CpuUsage.TotalTime - _cpuStarted).TotalMilliseconds / setup.Steps);
        }
        (_started, _cpuStarted) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
    }
}
