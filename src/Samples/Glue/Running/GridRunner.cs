using System.Collections.Concurrent;
using Microsoft.ML.LoraInit.Samples.Glue.Grid;
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

    /// <summary>After this time, counted from <see cref="StartedAt"/>, no run starts any more; those under way end. Default: none.</summary>
    public TimeSpan? TimeBudget { get; init; }

    /// <summary>A run that takes longer is stopped and recorded as failed; its checkpoints stay. Default: none.</summary>
    public TimeSpan? RunTimeLimit { get; init; }

    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Where the time budget begins, in the <see cref="Clock"/>'s timestamps; null for the call of Run.</summary>
    public long? StartedAt { get; init; }

    /// <summary>What there is to do for a part.</summary>
    /// <exception cref="RunFileException">A run file that is there cannot be read.</exception>
    public RunSchedule Schedule(GridPart part) => new(part, store, RetryFailed);

    /// <summary>Runs of one stage, in their order.</summary>
    /// <inheritdoc cref="Run(RunSchedule, CancellationToken)"/>
    public GridSummary Run(IReadOnlyList<RunConfig> cells, CancellationToken cancellation) => Run(Schedule(GridPart.Of(cells)), cancellation);

    /// <exception cref="RunFileException">A run file that is there cannot be read; no cell has been started then.</exception>
    /// <exception cref="IOException">The disk is full; the cells under way are not recorded, and keep their checkpoints.</exception>
    /// <exception cref="OperationCanceledException">Stopped; what has ended is recorded.</exception>
    public GridSummary Run(RunSchedule schedule, CancellationToken cancellation)
    {
        var begin = StartedAt ?? Clock.GetTimestamp();
        var toRun = schedule.Count - schedule.FinishedBefore - schedule.FailedBefore;
        observer.Planned(schedule.Count, toRun);

        var records = new ConcurrentBag<RunRecord>();
        int elsewhere = 0, endedSince = 0;
        var errors = new ConcurrentBag<Exception>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bool NoMore() => stop.IsCancellationRequested || Clock.GetElapsedTime(begin) >= TimeBudget;
        void Work(int slot)
        {
            try
            {
                while (schedule.Next(NoMore) is { } config)
                {
                    if (RunOne(schedule, config, slot, stop.Token, out var held) is { } record)
                        records.Add(record);
                    else
                        Interlocked.Increment(ref (held ? ref elsewhere : ref endedSince));
                    schedule.Over(config);
                }
            }
            catch (Exception e)
            {
                // Cancelled, or a record could not be written: no use in going on.
                errors.Add(e);
                stop.Cancel();
            }
        }

        var workers = Enumerable.Range(0, Math.Min(MaxParallel, Math.Max(toRun, 1)))
            .Select(slot => new Thread(() => Work(slot)) { IsBackground = true, Name = $"run {slot}" })
            .ToArray();
        Array.ForEach(workers, w => w.Start());
        Array.ForEach(workers, w => w.Join());
        cancellation.ThrowIfCancellationRequested();
        if (errors.FirstOrDefault(e => e is not OperationCanceledException) is { } error)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(error);
        return new(
            records.Count(r => r.Status == RunStatus.Finished),
            schedule.FailedBefore + records.Count(r => r.Status == RunStatus.Failed),
            schedule.FinishedBefore + endedSince,
            elsewhere,
            schedule.Count - schedule.FinishedBefore - schedule.FailedBefore - records.Count - elsewhere - endedSince);
    }

    private RunRecord? RunOne(RunSchedule schedule, RunConfig config, int slot, CancellationToken cancellation, out bool held)
    {
        var work = store.WorkDirectory(config);
        using (var claim = RunClaim.Try(work))
        {
            if (held = claim is null)
            {
                Tell(() => observer.LeftToOthers(config));
                return null;
            }
            // Looked at again under the claim: another process may have ended the cell since.
            if (!schedule.IsOpen(config))
            {
                claim!.Leave();
                return null;
            }
            Tell(() => observer.Started(config, slot));
            var attempts = claim!.CountAttempt();
            RunRecord record;
            var keep = false;
            using var limit = RunTimeLimit is not null ? new CancellationTokenSource(Timeout.InfiniteTimeSpan, Clock) : new();
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, limit.Token);
            try
            {
                executor.Prepare(config, slot, cancellation);
                if (RunTimeLimit is { } time)
                    limit.CancelAfter(time);
                record = executor.Execute(config, work, slot, either.Token);
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                throw;
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested)
            {
                keep = true;
                record = Failure(config, slot, new TimeoutException($"it took longer than the {RunTimeLimit!.Value.TotalMinutes:0.##} minutes of --run-time-limit; --retry-failed goes on from its checkpoints."));
            }
            catch (Exception e) when (!IsFull(e))
            {
                record = Failure(config, slot, e);
            }
            record = record with { Command = Command, Attempts = attempts, FinishedAt = DateTimeOffset.UtcNow };
            store.Write(record);
            Tell(() => observer.Ended(record));
            if (!keep)
                claim.Done();
            return record;
        }
    }

    // No space, or no more of one's quota (Linux, macOS, Windows): not the run's fault, and the others' fate too.
    private static bool IsFull(Exception e) => e is IOException { HResult: 28 or 122 or 69 or unchecked((int)0x80070070) or unchecked((int)0x80070027) };

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
