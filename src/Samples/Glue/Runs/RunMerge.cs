using System.Text.Json;

namespace Microsoft.ML.LoraInit.Samples.Glue.Runs;

/// <summary>Joins result folders, for example those of shards.</summary>
internal static class RunMerge
{
    /// <summary>
    /// Copies every run of <paramref name="sources"/> into <paramref name="target"/>. A finished run beats a failed
    /// one; of two that finished alike the first stays. Nothing is written when two finished differently.
    /// </summary>
    /// <returns>How many runs the target holds now.</returns>
    /// <exception cref="RunFileException">A file cannot be read, or two runs contradict each other.</exception>
    public static int Merge(IReadOnlyList<string> sources, string target)
    {
        var merged = new SortedDictionary<string, (RunRecord Record, string From)>(StringComparer.Ordinal);
        var existing = Directory.Exists(new RunStore(target).RunsDirectory) ? new[] { target } : [];
        foreach (var folder in existing.Concat(sources))
        {
            var store = new RunStore(folder);
            foreach (var record in store.ReadAll())
            {
                var name = record.Config.Name();
                var from = store.PathOf(record.Config);
                if (!merged.TryGetValue(name, out var known) || Beats(record, known.Record))
                    merged[name] = (record, from);
                else if (Contradicts(record, known.Record))
                    throw new RunFileException(from, $"and {known.From} hold the same run with different results; keep the right one and merge again.");
            }
        }
        var result = new RunStore(target);
        foreach (var (record, _) in merged.Values)
            result.Write(record);
        foreach (var plan in sources.SelectMany(folder => new RunStore(folder).ReadPlans()))
            result.Write(plan);
        return merged.Count;
    }

    private static bool Beats(RunRecord record, RunRecord known) =>
        known.Status == RunStatus.Failed && record.Status == RunStatus.Finished;

    // Times and machines differ between two runs of one configuration; what they learned must not.
    private static bool Contradicts(RunRecord a, RunRecord b) =>
        a.Status == RunStatus.Finished && b.Status == RunStatus.Finished && Outcome(a) != Outcome(b);

    private static string Outcome(RunRecord record) =>
        JsonSerializer.Serialize(new { record.Metric, record.BestEpoch, record.Epochs }, RunJson.Options);
}
