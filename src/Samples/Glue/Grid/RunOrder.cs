using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Grid;

/// <summary>The order in which runs start. No result depends on it, but what is there after an early stop does.</summary>
internal static class RunOrder
{
    /// <summary>
    /// Seed by seed and rate by rate, so that strategies and tasks get on together; within such a round neighbours differ
    /// in strategy and in task, each strategy having had one task before any has a second.
    /// </summary>
    public static IReadOnlyList<RunConfig> Balanced(IReadOnlyList<RunConfig> runs)
    {
        var tasks = Places(runs, r => r.Task);
        // A recipe may differ between tasks without being another strategy.
        var strategies = Places(runs, r => RunJson.Canonical(GridPlan.GroupOf(r) with { Task = "", Epochs = 0, BatchSize = 0, Start = null }));
        var rates = Places(runs, r => r.LearningRate);
        var seeds = Places(runs, r => r.Seed);
        var count = tasks.Length == 0 ? 1 : tasks.Max() + 1;
        return
        [
            .. runs.Select((run, i) => (Run: run, Key: (seeds[i], rates[i], (tasks[i] - strategies[i] % count + count) % count, strategies[i])))
                .OrderBy(r => r.Key)
                .Select(r => r.Run),
        ];
    }

    // Each value's number in the order in which values first appear.
    private static int[] Places<T>(IReadOnlyList<RunConfig> runs, Func<RunConfig, T> value)
        where T : notnull
    {
        var known = new Dictionary<T, int>();
        return [.. runs.Select(r =>
        {
            var key = value(r);
            if (!known.TryGetValue(key, out var place))
                known[key] = place = known.Count;
            return place;
        })];
    }
}
