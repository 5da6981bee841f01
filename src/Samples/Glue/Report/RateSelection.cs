using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>
/// The learning rate of each strategy on each task, chosen for it alone: at one rate for all, the strategy that the
/// rate happens to suit wins (arXiv 2602.04998).
/// </summary>
internal static class RateSelection
{
    /// <summary>
    /// The rate with the highest mean over seeds of the dev metric. Rates with as many finished seeds as any are
    /// preferred, so that a rate at which runs fail does not win by its survivors; a mean that is not a number
    /// loses; of equals the lower rate wins.
    /// </summary>
    /// <returns>Null where no run finished.</returns>
    public static RateResult? Best(IReadOnlyList<RateResult> rates) =>
        rates.Where(r => r.Spread.Count > 0)
            .OrderByDescending(r => r.Spread.Count)
            .ThenByDescending(r => double.IsFinite(r.Spread.Mean) ? r.Spread.Mean : double.NegativeInfinity)
            .ThenBy(r => r.Rate)
            .FirstOrDefault();

    public static IReadOnlyList<RateResult> Results(IEnumerable<RunRecord> runs) =>
    [
        .. runs.GroupBy(r => r.Config.LearningRate)
            .OrderBy(g => g.Key)
            .Select(g => new RateResult(
                g.Key,
                Spread.Of([.. g.Where(r => r.Status == RunStatus.Finished).Select(r => r.Metric ?? double.NaN)]),
                g.Count(r => r.Status == RunStatus.Failed))),
    ];
}
