using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Report;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Running;

/// <summary>
/// Hands out the runs that have not ended: first those of the sweep, in their order, then those of the second stage,
/// seed by seed, as the sweeps of their groups end. Safe to call from several threads.
/// </summary>
internal sealed class RunSchedule
{
    private readonly GridPart _part;
    private readonly RunStore _store;
    private readonly bool _retryFailed;
    private readonly Lock _gate = new();
    private readonly Queue<RunConfig> _sweep;
    private readonly PriorityQueue<RunConfig, (int Seed, int Group)> _later = new();
    private readonly Dictionary<RunConfig, int> _places;
    private readonly Dictionary<RunConfig, int> _open;
    private readonly Dictionary<RunConfig, DateTimeOffset?> _failed = [];
    private int _sweeping;

    /// <exception cref="RunFileException">A run file that is there cannot be read.</exception>
    public RunSchedule(GridPart part, RunStore store, bool retryFailed)
    {
        _part = part;
        _store = store;
        _retryFailed = retryFailed;
        _places = part.Groups.Select((g, i) => (Group: g, Place: i)).ToDictionary(g => g.Group, g => g.Place);
        _sweep = new(part.Sweep.Where(r => !Settled(r)));
        _open = part.Groups.ToDictionary(g => g, _ => 0);
        if (_open.Count > 0)
            foreach (var run in _sweep)
                _open[GridPlan.GroupOf(run)]++;
        foreach (var (group, open) in _open)
            if (open == 0)
                Enqueue(group);
        Open = [.. _sweep.Concat(_later.UnorderedItems.Select(i => i.Element)).DistinctBy(GridPlan.GroupOf)];
    }

    /// <summary>All runs of the part.</summary>
    public int Count => _part.Count;

    /// <summary>Finished by an earlier call.</summary>
    public int FinishedBefore { get; private set; }

    /// <summary>Failed in an earlier call, and not to be tried again.</summary>
    public int FailedBefore { get; private set; }

    /// <summary>One run of each task and strategy that have runs to do.</summary>
    public IReadOnlyList<RunConfig> Open { get; }

    /// <summary>Whether a run is still to be done: another process may have ended it, also one that retries what failed.</summary>
    public bool IsOpen(RunConfig run)
    {
        if (_store.Find(run) is not { } record)
            return true;
        lock (_gate)
            return record.Status == RunStatus.Failed && _failed.TryGetValue(run, out var earlier) && earlier == record.FinishedAt;
    }

    /// <summary>The next run; waits where a sweep that is under way may yet open some. Null when there is no more.</summary>
    /// <param name="stop">Whether no run is to start any more.</param>
    public RunConfig? Next(Func<bool> stop)
    {
        while (!stop())
        {
            lock (_gate)
            {
                if (_sweep.TryDequeue(out var run))
                {
                    _sweeping++;
                    return run;
                }
                if (_later.TryDequeue(out run, out _))
                    return run;
                if (_sweeping == 0 || _part.Groups.Count == 0)
                    return null;
            }
            Thread.Sleep(20); // runs take seconds at least
        }
        return null;
    }

    /// <summary>A run is over, whatever became of it; its group's rate is selected when it was the last of the sweep.</summary>
    public void Over(RunConfig run)
    {
        if (_part.Groups.Count == 0 || _part.Plan.LaterSeeds.Contains(run.Seed))
            return;
        lock (_gate)
        {
            _sweeping--;
            var group = GridPlan.GroupOf(run);
            if (--_open[group] == 0)
                Enqueue(group);
        }
    }

    private void Enqueue(RunConfig group)
    {
        // Another process may hold a run of the sweep; then the rate is not known here.
        if (_part.Plan.Sweep(group).Select(_store.Find).ToArray() is var sweep && sweep.Contains(null))
            return;
        if (RateSelection.Best(RateSelection.Results(sweep!)) is not { } best)
            return;
        var seeds = _part.Plan.Seeds.ToList();
        foreach (var run in _part.Plan.Later(group, best.Rate))
            if (!Settled(run))
                _later.Enqueue(run, (seeds.IndexOf(run.Seed), _places[group]));
    }

    private bool Settled(RunConfig run)
    {
        var record = _store.Find(run);
        if (record?.Status == RunStatus.Finished)
        {
            FinishedBefore++;
            RunClaim.Clear(_store.WorkDirectory(run));
            return true;
        }
        if (record is null)
            return false;
        if (_retryFailed)
            _failed[run] = record.FinishedAt;
        else
            FailedBefore++;
        return !_retryFailed;
    }
}
