using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Grid;

/// <summary>The cells of a grid, each once, always in the same order: task, method, initialisation, rank, alpha, rows, learning rate, seed.</summary>
internal static class RunGrid
{
    /// <exception cref="ArgumentException">A list is empty.</exception>
    public static GridPlan Plan(GridSpec spec) => Plan([spec]);

    /// <summary>One plan of several grids with the same seeds, such as the parts of a recipe; what two of them ask for is run once.</summary>
    /// <exception cref="ArgumentException">A list is empty, or the seeds differ.</exception>
    public static GridPlan Plan(IReadOnlyList<GridSpec> specs)
    {
        foreach (var spec in specs)
            Check(spec);
        var first = specs[0];
        if (specs.Any(s => !s.Seeds.SequenceEqual(first.Seeds) || s.SweepSeeds != first.SweepSeeds))
            throw new ArgumentException("The parts of one plan must have the same seeds and sweep seeds.");
        var groups = new List<RunConfig>();
        var rates = new List<IReadOnlyList<double>>();
        var makers = new Dictionary<string, RunConfig>();
        var known = new Dictionary<RunConfig, int>();
        foreach (var spec in specs)
            foreach (var task in spec.Tasks)
                foreach (var strategy in Strategies(spec))
                {
                    var group = For(spec, task, strategy) with { Start = Start(spec, task, strategy, makers) };
                    IReadOnlyList<double> wanted = [.. RatesOf(spec, task).Distinct()];
                    if (known.TryGetValue(group, out var place))
                    {
                        rates[place] = [.. rates[place].Union(wanted)];
                        continue;
                    }
                    known[group] = groups.Count;
                    groups.Add(group);
                    rates.Add(wanted);
                }
        var same = rates.All(r => r.SequenceEqual(rates[0]));
        return new()
        {
            Groups = groups,
            LearningRates = same ? rates[0] : [.. rates.SelectMany(r => r).Distinct().Order()],
            RatesByGroup = same ? null : rates,
            Seeds = [.. first.Seeds.Distinct()],
            SweepSeeds = first.SweepSeeds,
            Starts = makers.Count == 0 ? null : makers,
        };
    }

    /// <summary>The runs of a plan in one stage, or of its first stage.</summary>
    public static IReadOnlyList<RunConfig> Cells(GridPlan plan) => [.. plan.Groups.SelectMany(plan.Sweep)];

    /// <inheritdoc cref="Plan(GridSpec)"/>
    public static IReadOnlyList<RunConfig> Cells(GridSpec spec) => Cells(Plan(spec));

    private static IReadOnlyList<double> RatesOf(GridSpec spec, string task) => spec.TaskRates?.For(task) ?? spec.LearningRates;

    private static RunConfig For(GridSpec spec, string task, RunConfig strategy) =>
        strategy with { Task = task, Epochs = spec.Epochs.For(task), BatchSize = spec.BatchSize.For(task) };

    // The name of the run whose adapter is the start, which tells one start from another; of a folder its own text.
    private static string? Start(GridSpec spec, string task, RunConfig strategy, Dictionary<string, RunConfig> makers)
    {
        if (spec.Start.For(task) is not { } from || !Methods.HasAdapters(strategy.Method))
            return null;
        if (GlueTask.All.All(t => t.Name != from))
            return from;
        var maker = For(spec, from, strategy) with { LearningRate = RatesOf(spec, from)[0], Seed = spec.Seeds[0] };
        makers[maker.Name()] = maker;
        return maker.Name();
    }

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
                MethodSources = Methods.SourcesOf(method),
                LearningRate = 0,
                Seed = 0,
                Epochs = 0,
                WarmupRatio = spec.WarmupRatio,
                WeightDecay = spec.WeightDecay,
                DecayBiases = spec.DecayBiases,
                MaxGradientNorm = spec.MaxGradientNorm.Equals(RunConfig.UsualGradientNorm) ? null : spec.MaxGradientNorm,
                MaxLength = spec.MaxLength,
                DevRows = spec.DevRows,
            };
            foreach (var strategy in Methods.HasAdapters(method) ? WithAdapters(spec, common) : [common])
                foreach (var rows in spec.TrainRows)
                    yield return strategy with { TrainRows = rows };
        }
    }

    // A method that starts in its own way is one row, whatever starts are asked for; others leave out those that they do not go with.
    private static LoraInitialization[] StartsOf(GridSpec spec, string text)
    {
        var method = Methods.Of(text);
        LoraInitialization[] fitting = method.GoesWith(LoraInitialization.Pissa()) || method.GoesWith(LoraInitialization.Gaussian())
            ? [.. spec.Initializations.Where(method.GoesWith)]
            : [LoraInitialization.Kaiming()];
        return fitting.Length > 0 ? fitting
            : throw new UsageException($"The method '{text}' goes with none of the initialisations {string.Join(", ", spec.Initializations.Select(i => i.Name))}: add kaiming to --inits, or leave the method out.");
    }

    private static IEnumerable<RunConfig> WithAdapters(GridSpec spec, RunConfig common) =>
        from initialization in StartsOf(spec, common.Method)
        from rank in spec.Ranks
        from alpha in spec.Alphas
        select common with
        {
            Initialization = InitializationText.Label(initialization),
            InitializationSettings = InitializationText.Settings(initialization),
            Rank = rank,
            Alpha = alpha.For(rank),
            RankPattern = spec.RankPattern,
        };

    private static void Check(GridSpec spec)
    {
        Require(spec.Tasks, "--tasks");
        Require(spec.Methods, "--methods");
        Require(spec.LearningRates, "--learning-rates");
        Require(spec.Seeds, "--seeds");
        Require(spec.TrainRows, "--train-rows");
        if (!spec.Methods.Any(Methods.HasAdapters))
            return;
        Require(spec.Initializations, "--inits");
        Require(spec.Ranks, "--ranks");
        Require(spec.Alphas, "--alphas");
    }

    private static void Require<T>(IReadOnlyList<T> values, string option)
    {
        if (values.Count == 0)
            throw new ArgumentException($"{option} is empty; name at least one.");
    }
}
