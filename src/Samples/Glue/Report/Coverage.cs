using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>The runs of a strategy on a task that were asked for and have not ended.</summary>
/// <param name="Group">Task and strategy.</param>
/// <param name="Planned">How many were asked for.</param>
/// <param name="Missing">Learning rate and seed of those that are not there; no rate where none could be selected yet.</param>
internal sealed record MissingRuns(RunConfig Group, int Planned, IReadOnlyList<(double? Rate, int Seed)> Missing);

/// <summary>Compares what was asked for with what is there.</summary>
internal static class Coverage
{
    /// <summary>Every group of the plans, those with nothing missing too. A run that failed has ended and is not missing.</summary>
    public static IReadOnlyList<MissingRuns> Of(IReadOnlyList<GridPlan> plans, IReadOnlyList<RunRecord> records)
    {
        var ended = records.GroupBy(r => GridPlan.GroupOf(r.Config)).ToDictionary(g => g.Key, g => g.ToArray());
        return
        [
            .. plans.SelectMany(plan => plan.Groups.Select(group => (Plan: plan, Group: group)))
                .GroupBy(p => p.Group)
                .Select(g => Of(g.Key, [.. g.Select(p => p.Plan)], ended.GetValueOrDefault(g.Key) ?? [])),
        ];
    }

    private static MissingRuns Of(RunConfig group, IReadOnlyList<GridPlan> plans, RunRecord[] ended)
    {
        // Several commands may ask for the same run of one group.
        var wanted = plans.SelectMany(plan => Wanted(plan, group, ended)).Distinct().ToArray();
        bool IsThere((double? Rate, int Seed) run) => ended.Any(r => r.Config.Seed == run.Seed && (run.Rate is null || r.Config.LearningRate.Equals(run.Rate)));
        return new(group, wanted.Length, [.. wanted.Where(run => !IsThere(run)).OrderBy(r => r.Rate is null).ThenBy(r => r.Rate).ThenBy(r => r.Seed)]);
    }

    private static IEnumerable<(double? Rate, int Seed)> Wanted(GridPlan plan, RunConfig group, RunRecord[] ended)
    {
        RunConfig[] sweep = [.. plan.Sweep(group)];
        var there = ended.Where(r => sweep.Any(s => s.Seed == r.Config.Seed && s.LearningRate.Equals(r.Config.LearningRate))).ToArray();
        var rate = there.Length == sweep.Length ? RateSelection.Best(RateSelection.Results(there))?.Rate : null;
        return sweep.Select(s => ((double?)s.LearningRate, s.Seed)).Concat(plan.LaterSeeds.Select(seed => (rate, seed)));
    }
}
