using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Peft;

/// <summary>
/// Finds the settings by which PEFT chooses exactly some given targets: short names and layer numbers where the targets
/// are that regular, whole names where not; patterns for ranks and alphas that differ from the most frequent ones.
/// </summary>
internal static class PeftTargets
{
    public static AdapterSettings Describe(IReadOnlyList<AdapterTarget> targets, RobertaConfig config, bool dora, double dropout)
    {
        var rank = MostFrequent(targets.Select(t => t.Rank));
        var alpha = MostFrequent(targets.Select(t => t.Alpha));
        var settings = new AdapterSettings
        {
            Rank = rank,
            Alpha = alpha,
            RankStabilized = targets[0].RankStabilized,
            UseDora = dora,
            Dropout = dropout,
            AllowsAnyRank = true, // they are what they are
            TargetModules = TargetModules.Named([.. targets.Select(t => t.ModuleName)]),
            RankPattern = targets.Where(t => t.Rank != rank).ToDictionary(t => t.ModuleName, t => t.Rank, StringComparer.Ordinal),
            AlphaPattern = targets.Where(t => t.Alpha != alpha).ToDictionary(t => t.ModuleName, t => t.Alpha, StringComparer.Ordinal),
        };
        var compact = settings with
        {
            TargetModules = TargetModules.Named([.. targets.Select(t => ShortName(t.ModuleName)).Distinct(StringComparer.Ordinal)]),
            LayersToTransform = Layers(targets) is var layers && layers.Count < config.Layers ? layers : null,
        };
        return Chooses(compact, targets, config) ? compact : settings;
    }

    private static bool Chooses(AdapterSettings settings, IReadOnlyList<AdapterTarget> targets, RobertaConfig config) =>
        AdapterPlanner.Plan(settings, config).ToHashSet().SetEquals(targets);

    private static List<int> Layers(IEnumerable<AdapterTarget> targets) =>
        [.. targets.Select(t => AdapterPlanner.LayerIndex(t.ModuleName)).OfType<int>().Distinct().Order()];

    // query, key, value; attention.output.dense, intermediate.dense, output.dense.
    private static string ShortName(string module)
    {
        var inLayer = module.Split('.', 5)[^1];
        return inLayer.StartsWith(RobertaNames.SelfAttention, StringComparison.Ordinal) ? inLayer[RobertaNames.SelfAttention.Length..] : inLayer;
    }

    private static T MostFrequent<T>(IEnumerable<T> values) => values.GroupBy(v => v).MaxBy(g => g.Count())!.Key;
}
