using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Grid;

/// <summary>The cells of a grid, each once, always in the same order: task, method, initialisation, rank, alpha, learning rate, seed.</summary>
internal static class RunGrid
{
    /// <exception cref="ArgumentException">A list is empty.</exception>
    public static GridPlan Plan(GridSpec spec)
    {
        Require(spec.Tasks, "--tasks");
        Require(spec.Methods, "--methods");
        Require(spec.LearningRates, "--learning-rates");
        Require(spec.Seeds, "--seeds");
        if (spec.Methods.Any(Methods.HasAdapters))
        {
            Require(spec.Initializations, "--inits");
            Require(spec.Ranks, "--ranks");
            Require(spec.Alphas, "--alphas");
        }
        return new()
        {
            Groups =
            [
                .. (from task in spec.Tasks
                    from strategy in Strategies(spec)
                    select strategy with { Task = task, Epochs = spec.Epochs.For(task), BatchSize = spec.BatchSize.For(task) }).Distinct(),
            ],
            LearningRates = [.. spec.LearningRates.Distinct()],
            Seeds = [.. spec.Seeds.Distinct()],
            SweepSeeds = spec.SweepSeeds,
        };
    }

    /// <summary>The runs of a plan in one stage, or of its first stage.</summary>
    public static IReadOnlyList<RunConfig> Cells(GridPlan plan) => [.. plan.Groups.SelectMany(plan.Sweep)];

    /// <inheritdoc cref="Plan"/>
    public static IReadOnlyList<RunConfig> Cells(GridSpec spec) => Cells(Plan(spec));

    // What has no adapters has neither initialisation nor rank: one row, however many ranks are asked for.
    private static IEnumerable<RunConfig> Strategies(GridSpec spec)
    {
        foreach (var method in spec.Methods)
        {
            var common = new RunConfig
            {
                Task = "",
                BaseModel = spec.BaseModel,
                BaseModelSha256 = spec.BaseModelSha256,
                Precision = spec.Precision,
                Method = method,
                LearningRate = 0,
                Seed = 0,
                Epochs = 0,
                WarmupRatio = spec.WarmupRatio,
                WeightDecay = spec.WeightDecay,
                MaxLength = spec.MaxLength,
                TrainRows = spec.TrainRows,
                DevRows = spec.DevRows,
            };
            if (!Methods.HasAdapters(method))
            {
                yield return common;
                continue;
            }
            foreach (var initialization in spec.Initializations)
                foreach (var rank in spec.Ranks)
                    foreach (var alpha in spec.Alphas)
                    {
                        yield return common with
                        {
                            Initialization = InitializationText.Label(initialization),
                            InitializationSettings = InitializationText.Settings(initialization),
                            Rank = rank,
                            Alpha = alpha,
                        };
                    }
        }
    }

    private static void Require<T>(IReadOnlyList<T> values, string option)
    {
        if (values.Count == 0)
            throw new ArgumentException($"{option} is empty; name at least one.");
    }
}
