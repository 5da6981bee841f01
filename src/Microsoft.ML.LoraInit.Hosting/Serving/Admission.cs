using System.Diagnostics;
using Microsoft.ML.LoraInit.Hosting.Telemetry;

namespace Microsoft.ML.LoraInit.Hosting.Serving;

/// <summary>A bounded number of calls at a time: more threads than that only wait for the same cores. The others wait in order.</summary>
internal sealed class Admission(string name, int places, int queue, HostingMetrics metrics) : IDisposable
{
    private readonly SemaphoreSlim _places = new(places, places);
    private int _waiting;

    /// <summary>Waits for a place, which <see cref="Leave"/> gives back.</summary>
    /// <exception cref="PredictionQueueFullException">Too many wait already.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async ValueTask EnterAsync(CancellationToken cancellationToken)
    {
        if (_places.Wait(TimeSpan.Zero, cancellationToken))
            return;
        if (Interlocked.Increment(ref _waiting) > queue)
        {
            Interlocked.Decrement(ref _waiting);
            throw new PredictionQueueFullException(name, queue);
        }
        long begun = Stopwatch.GetTimestamp();
        metrics.Queued(name, 1);
        try
        {
            await _places.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
            metrics.Queued(name, -1);
            metrics.Waited(name, Stopwatch.GetElapsedTime(begun));
        }
    }

    public void Leave() => _places.Release();

    public void Dispose() => _places.Dispose();
}
