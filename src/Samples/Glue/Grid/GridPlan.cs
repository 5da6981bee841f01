using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Grid;

/// <summary>
/// All runs that a command asks for, kept beside its results so that a report can say what is missing. In two stages
/// the learning rates are swept with the first seeds, and the others run at the rate selected for their group alone.
/// </summary>
internal sealed record GridPlan
{
    public const int CurrentFormat = 1;

    public int Format { get; init; } = CurrentFormat;

    /// <summary>The command that makes this plan; no shard in it.</summary>
    public string? Command { get; init; }

    /// <summary>A task with a strategy each; learning rate and seed are 0.</summary>
    public required IReadOnlyList<RunConfig> Groups { get; init; }

    /// <summary>Every rate of the plan.</summary>
    public required IReadOnlyList<double> LearningRates { get; init; }

    /// <summary>The rates of each group, in their order; null where all groups have the plan's.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<IReadOnlyList<double>>? RatesByGroup { get; init; }

    /// <summary>Runs whose adapters others start from, by the name that <see cref="RunConfig.Start"/> has; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, RunConfig>? Starts { get; init; }

    public required IReadOnlyList<int> Seeds { get; init; }

    /// <summary>How many seeds, from the first, run at every rate; null for all of them, in one stage.</summary>
    public int? SweepSeeds { get; init; }

    public int Count => Groups.Select((_, i) => RatesAt(i).Count * SweptSeeds.Count() + LaterSeeds.Count()).Sum();

    /// <summary>The seeds that run at the selected rate alone.</summary>
    public IEnumerable<int> LaterSeeds => Seeds.Skip(SweepSeeds ?? Seeds.Count);

    private IEnumerable<int> SweptSeeds => Seeds.Take(SweepSeeds ?? Seeds.Count);

    /// <summary>The group that a run belongs to.</summary>
    public static RunConfig GroupOf(RunConfig run) => run with { LearningRate = 0, Seed = 0 };

    /// <summary>The rates that a group is swept over.</summary>
    public IReadOnlyList<double> RatesOf(RunConfig group)
    {
        if (RatesByGroup is null)
            return LearningRates;
        var places = Enumerable.Range(0, Groups.Count);
        // Most ask with the very group; to compare two by value, both are written out.
        return RatesAt(places.Where(i => ReferenceEquals(Groups[i], group)).Concat(places.Where(i => Groups[i] == group)).First());
    }

    private IReadOnlyList<double> RatesAt(int place) => RatesByGroup?[place] ?? LearningRates;

    /// <summary>A group's runs of the first stage.</summary>
    public IEnumerable<RunConfig> Sweep(RunConfig group) =>
        RatesOf(group).SelectMany(rate => SweptSeeds.Select(seed => group with { LearningRate = rate, Seed = seed }));

    /// <summary>A group's runs of the second stage, once its rate is selected.</summary>
    public IEnumerable<RunConfig> Later(RunConfig group, double rate) => LaterSeeds.Select(seed => group with { LearningRate = rate, Seed = seed });
}
