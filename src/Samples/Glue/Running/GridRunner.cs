using System.Collections.Concurrent;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Running;

/// <summary>Runs the cells that have not ended yet, some at a time, and records each as it ends.</summary>
internal sealed class GridRunner(RunStore store, IRunExecutor executor, IGridObserver observer)
{
    private readonly Lock _lock = new();

    /// <summary>Whether runs recorded as failed are run again. Default false.</summary>
    public bool RetryFailed { get; init; }

    /// <summary>Runs at a time. Default 1.</summary>
    public int MaxParallel { get; init; } = 1;

    /// <summary>The command recorded with each run.</summary>
    public string? Command { get; init; }

    /// <exception cref="RunFileException">A run file that is there cannot be read; no cell has been started then.</exception>
    /// <exception cref="OperationCanceledException">Stopped; what has ended is recorded.</exception>
    public GridSummary Run(IReadOnlyList<RunConfig> cells, CancellationToken cancellation)
    {
        var known = cells.Select(store.Find).ToArray();
        var queue = new ConcurrentQueue<RunConfig>(cells.Where((_, i) => IsOpen(known[i])));
        var skipped = known.Count(r => r?.Status == RunStatus.Finished);
        var failedBefore = cells.Count - queue.Count - skipped;
        observer.Planned(cells.Count, queue.Count);

        var records = new ConcurrentBag<RunRecord>();
        var left = 0;
        var errors = new ConcurrentBag<Exception>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        void Work(int slot)
        {
            try
            {
                while (!stop.IsCancellationRequested && queue.TryDequeue(out var config))
                {
                    if (RunOne(config, slot, stop.Token) is { } record)
                        records.Add(record);
                    else
                        Interlocked.Increment(ref left);
                }
            }
            catch (Exception e)
            {
                // Cancelled, or a record could not be written: no use in going on.
                errors.Add(e);
                stop.Cancel();
            }
        }

        var workers = Enumerable.Range(0, Math.Min(MaxParallel, Math.Max(queue.Count, 1)))
            .Select(slot => new Thread(() => Work(slot)) { IsBackground = true, Name = $"run {slot}" })
            .ToArray();
        Array.ForEach(workers, w => w.Start());
        Array.ForEach(workers, w => w.Join());
        cancellation.ThrowIfCancellationRequested();
        if (errors.FirstOrDefault(e => e is not OperationCanceledException) is { } error)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(error);
        return new(
            records.Count(r => r.Status == RunStatus.Finished),
            failedBefore + records.Count(r => r.Status == RunStatus.Failed),
            skipped + left);
    }

    private bool IsOpen(RunRecord? record) => record switch
    {
        null => true,
        { Status: RunStatus.Failed } => RetryFailed,
        _ => false,
    };

    private RunRecord? RunOne(RunConfig config, int slot, CancellationToken cancellation)
    {
        var work = store.WorkDirectory(config);
        using (var claim = RunClaim.Try(work))
        {
            // Looked at again under the claim: another process may have ended the cell since.
            if (claim is null || !IsOpen(store.Find(config)))
            {
                Tell(() => observer.LeftToOthers(config));
                return null;
            }
            Tell(() => observer.Started(config, slot));
            var attempts = claim.CountAttempt();
            RunRecord record;
            try
            {
                record = executor.Execute(config, work, slot, cancellation);
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                throw;
            }
            catch (Exception e)
            {
                record = Failure(config, slot, e);
            }
            record = record with { Command = Command, Attempts = attempts, FinishedAt = DateTimeOffset.UtcNow };
            store.Write(record);
            Tell(() => observer.Ended(record));
            claim.Done();
            return record;
        }
    }

    private RunRecord Failure(RunConfig config, int slot, Exception error) => new()
    {
        Config = config,
        Environment = executor.Environment(slot),
        Status = RunStatus.Failed,
        ExitReason = $"{error.GetType().Name}: {error.Message.ReplaceLineEndings(" ")}",
    };

    private void Tell(Action what)
    {
        lock (_lock)
            what();
    }
}
