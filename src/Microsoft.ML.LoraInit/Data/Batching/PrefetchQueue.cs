using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Microsoft.ML.LoraInit.Data.Batching;

/// <summary>Makes batches on another thread, a few ahead of the one in use, in the plan's order.</summary>
internal sealed class PrefetchQueue<T> : IDisposable
    where T : IDisposable
{
    private const int Ahead = 4;

    private readonly BlockingCollection<T> _ready = new(Ahead);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<int[], T> _prepare;
    private readonly Task _worker;
    private ExceptionDispatchInfo? _failure;

    /// <param name="plan">Row numbers of each batch.</param>
    /// <param name="prepare">Makes a batch of rows; runs on the other thread.</param>
    public PrefetchQueue(IReadOnlyList<int[]> plan, Func<int[], T> prepare)
    {
        _prepare = prepare;
        _worker = Task.Factory.StartNew(() => Fill(plan), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>The next batch of the plan; the caller disposes it.</summary>
    public T Take()
    {
        if (_ready.TryTake(out var batch, Timeout.Infinite))
            return batch;
        _failure?.Throw();
        throw new InvalidOperationException("The plan has no further batch.");
    }

    public void Dispose()
    {
        _stop.Cancel();
        _worker.Wait();
        while (_ready.TryTake(out var batch))
            batch.Dispose();
        _ready.Dispose();
        _stop.Dispose();
    }

    private void Fill(IReadOnlyList<int[]> plan)
    {
        try
        {
            foreach (var rows in plan)
            {
                var batch = _prepare(rows);
                try
                {
                    _ready.Add(batch, _stop.Token);
                }
                catch (OperationCanceledException)
                {
                    batch.Dispose();
                    return;
                }
            }
        }
        catch (Exception e)
        {
            _failure = ExceptionDispatchInfo.Capture(e); // Take tells it on the consumer's thread
        }
        finally
        {
            _ready.CompleteAdding();
        }
    }
}
