namespace Microsoft.ML.LoraInit.Initialization.Numerics;

/// <summary>
/// Shares out a sum of ranks by merit (EVA, arXiv 2410.07170, section 3.3): all layers' candidate directions compete and
/// the best ones win, whichever layers they belong to.
/// </summary>
internal static class RankBudget
{
    /// <param name="budget">The sum of all ranks.</param>
    /// <param name="merits">For each layer its directions' merits, best first; a layer gets at most that many.</param>
    /// <returns>A rank a layer, possibly 0. Ties go to the direction that is further ahead within its layer, then to the earlier name.</returns>
    public static IReadOnlyDictionary<string, int> Distribute(int budget, IReadOnlyDictionary<string, double[]> merits)
    {
        var ranks = merits.Keys.ToDictionary(name => name, _ => 0);
        var winners = merits
            .SelectMany(layer => layer.Value.Select((merit, index) => (layer.Key, merit, index)))
            .OrderByDescending(d => d.merit).ThenBy(d => d.index).ThenBy(d => d.Key, StringComparer.Ordinal)
            .Take(budget);
        foreach (var (layer, _, _) in winners)
            ranks[layer]++;
        return ranks;
    }
}
