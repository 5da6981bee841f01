using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Grid;

/// <summary>The cells of a grid, each once, always in the same order: task, method, initialisation, rank, alpha, learning rate, seed.</summary>
internal static class RunGrid
{
    /// <exception cref="ArgumentException">A list is empty.</exception>
    public static IReadOnlyList<RunConfig> Cells(GridSpec spec)
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
        return
        [
            .. (from task in spec.Tasks
                from strategy in Strategies(spec)
                from rate in spec.LearningRates
                from seed in spec.Seeds
                select strategy with
                {
                    Task = task,
                    LearningRate = rate,
                    Seed = seed,
                    Epochs = spec.Epochs.For(task),
                    BatchSize = spec.BatchSize.For(task),
                }).Distinct(),
        ];
    }

    // What has no adapters has neither initialisation nor rank: one row, however many ranks are asked for.
    private static IEnumerable<RunConfig> Strategies(GridSpec spec)
    {
        foreach (var method in spec.Methods)
        {
            var common = new RunConfig
            {
                Task = "", BaseModel = spec.BaseModel, Method = method, LearningRate = 0, Seed = 0, Epochs = 0,
                WarmupRatio = spec.WarmupRatio, WeightDecay = spec.WeightDecay, MaxLength = spec.MaxLength,
                TrainRows = spec.TrainRows, DevRows = spec.DevRows,
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

/// <summary>A strategy as text that <see cref="LoraInitialization.Parse"/> reads back, and its settings written out.</summary>
internal static class InitializationText
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    /// <summary>The name, and the settings that differ from the default: <c>pissa:iterations=16</c>.</summary>
    public static string Label(LoraInitialization strategy)
    {
        var defaults = Settings(LoraInitialization.Parse(strategy.Name));
        var changed = Settings(strategy)
            .Where(s => !JsonNode.DeepEquals(s.Value, defaults[s.Key]))
            .Select(s => $"{s.Key}={s.Value}")
            .ToArray();
        return changed.Length == 0 ? strategy.Name : $"{strategy.Name}:{string.Join(',', changed)}";
    }

    public static JsonObject Settings(LoraInitialization strategy) =>
        JsonSerializer.SerializeToNode(strategy, strategy.GetType(), Json)!.AsObject();
}
