using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Grid;

/// <summary>What one process does of a plan.</summary>
/// <param name="Sweep">Runs of the first stage, or of the only one, in the order in which they start.</param>
/// <param name="Groups">Groups whose second stage follows; empty where there is one stage.</param>
/// <param name="Plan">The whole.</param>
internal sealed record GridPart(IReadOnlyList<RunConfig> Sweep, IReadOnlyList<RunConfig> Groups, GridPlan Plan)
{
    public int Count => Sweep.Count + Groups.Count * Plan.LaterSeeds.Count();

    /// <summary>
    /// A shard's part. In one stage a shard takes every n-th run; in two it takes every n-th group whole, since a
    /// group's second stage needs all runs of its first.
    /// </summary>
    public static GridPart Of(GridPlan plan, Shard shard)
    {
        if (plan.SweepSeeds is null)
            return new(RunOrder.Balanced([.. shard.Of(RunGrid.Cells(plan))]), [], plan);
        RunConfig[] groups = [.. shard.Of(plan.Groups)];
        return new(RunOrder.Balanced([.. groups.SelectMany(plan.Sweep)]), groups, plan);
    }

    /// <summary>Runs of one stage, started in the order given.</summary>
    public static GridPart Of(IReadOnlyList<RunConfig> runs) => new(runs, [], new() { Groups = [], LearningRates = [], Seeds = [] });
}
