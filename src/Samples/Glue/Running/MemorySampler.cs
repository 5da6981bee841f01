namespace Microsoft.ML.LoraInit.Samples.Glue.Running;

/// <summary>
/// The peak of the process's resident memory while it lives. The system's own high-water mark covers the process's
/// whole life, and a process runs many cells.
/// </summary>
internal sealed class MemorySampler : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private readonly Timer _timer;
    private long _peak;

    public MemorySampler() => _timer = new(_ => Sample(), null, TimeSpan.Zero, Interval);

    public long Peak
    {
        get
        {
            Sample();
            return Volatile.Read(ref _peak);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Sample()
    {
        var now = System.Environment.WorkingSet;
        for (long peak; now > (peak = Volatile.Read(ref _peak));)
            Interlocked.CompareExchange(ref _peak, now, peak);
    }
}
