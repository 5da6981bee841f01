using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>
/// The learning rate of each strategy on each task, chosen for it alone: at one rate for all, the strategy that the
/// rate happens to suit wins (arXiv 2602.04998).
/// </summary>
internal static class RateSelection
{
    /// <summary>
    /// The rate with the highest mean of the dev metric over the seeds that were tried at every rate, so that seeds
    /// which ran at one rate alone have no say; where there is no such seed, over each rate's own. Rates with as many
    /// finished seeds as any are preferred, so that a rate at which runs fail does not win by its survivors; a mean
    /// that is not a number loses; of equals the lower rate wins.
    /// </summary>
    /// <returns>Null where no run finished.</returns>
    public static RateResult? Best(IReadOnlyList<RateResult> rates)
    {
        if (rates.Count == 0)
            return null;
        var common = Common(rates);
        return rates.Where(r => r.Spread.Count > 0)
            .Select(r => (Rate: r, Judged: common.Count > 0 ? r.Over(common) : r.Spread))
            .OrderByDescending(r => r.Judged.Count)
            .ThenByDescending(r => double.IsFinite(r.Judged.Mean) ? r.Judged.Mean : double.NegativeInfinity)
            .ThenBy(r => r.Rate.Rate)
            .Select(r => r.Rate)
            .FirstOrDefault();
    }

    /// <summary>The seeds that were tried at every one of at least one rate.</summary>
    public static HashSet<int> Common(IReadOnlyList<RateResult> rates) => rates.Select(r => r.Tried).Aggregate((a, b) => a.Intersect(b)).ToHashSet();

    public static IReadOnlyList<RateResult> Results(IEnumerable<RunRecord> runs) =>
    [
        .. runs.GroupBy(r => r.Config.LearningRate)
            .OrderBy(g => g.Key)
            .Select(g => new RateResult(
                g.Key,
                g.Where(r => r.Status == RunStatus.Finished).ToDictionary(r => r.Config.Seed, r => r.Metric ?? double.NaN),
                [.. g.Where(r => r.Status == RunStatus.Failed).Select(r => r.Config.Seed)])),
    ];
}
