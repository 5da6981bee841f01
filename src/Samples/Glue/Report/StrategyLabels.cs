using System.Globalization;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Report;

/// <summary>
/// Which runs make a row, and what it is called. Learning rates and seeds are summed up within a row; everything
/// else makes rows of its own, and the label says only what differs.
/// </summary>
internal sealed class StrategyLabels
{
    private static readonly (string Name, Func<RunConfig, object?> Value)[] Recipe =
    [
        ("epochs", c => c.Epochs), ("batch", c => c.BatchSize), ("warm-up", c => c.WarmupRatio), ("decay", c => c.WeightDecay),
        ("precision", c => c.Precision), ("length", c => c.MaxLength), ("train rows", c => c.TrainRows), ("dev rows", c => c.DevRows),
        ("decay of biases", c => c.DecayBiases), ("clipping", c => c.MaxGradientNorm ?? RunConfig.UsualGradientNorm), ("rank pattern", c => c.RankPattern ?? "none"),
        ("start", c => c.Start ?? "fresh"),
    ];

    private readonly bool _ranksDiffer;
    private readonly bool _alphasDiffer;
    private readonly bool _settingsDiffer;
    private readonly bool _sourcesDiffer;
    private readonly List<(string Name, Func<RunConfig, object?> Value)> _recipe;

    public StrategyLabels(IReadOnlyCollection<RunConfig> configs)
    {
        var adapted = configs.Where(c => c.Rank > 0).ToArray();
        _ranksDiffer = adapted.Select(c => c.Rank).Distinct().Skip(1).Any();
        _alphasDiffer = adapted.Select(c => c.Alpha).Distinct().Skip(1).Any();
        _settingsDiffer = adapted.GroupBy(c => c.Initialization)
            .Any(g => g.Select(c => c.InitializationSettings.ToJsonString()).Distinct().Skip(1).Any());
        // What was fused may have changed under the name of its file.
        _sourcesDiffer = configs.GroupBy(c => c.Method).Any(g => g.Select(c => c.MethodSources).Distinct().Skip(1).Any());
        // A recipe may well differ between tasks; it makes rows only where it differs within one.
        _recipe = [.. Recipe.Where(r => configs.GroupBy(c => c.Task).Any(g => g.Select(r.Value).Distinct().Skip(1).Any()))];
    }

    /// <summary>Whether two rows have the same recipe, so that one may be compared with the other.</summary>
    public bool SameRecipe(RunConfig one, RunConfig other) => _recipe.All(r => Equals(r.Value(one), r.Value(other)));

    public string Of(RunConfig config)
    {
        var name = config.Method switch
        {
            Methods.Lora => config.Initialization,
            _ when Methods.HasAdapters(config.Method) => $"{config.Method}, {config.Initialization}",
            _ => config.Method,
        };
        var details = new List<string>();
        if (_settingsDiffer && config.InitializationSettings.Count > 0)
            details.Add(string.Join(' ', config.InitializationSettings.Select(s => $"{s.Key}={s.Value}")));
        if (_sourcesDiffer && config.MethodSources is { } sources)
            details.Add($"sources {string.Join('+', sources.Split('+').Select(s => s[..Math.Min(8, s.Length)]))}");
        if (_ranksDiffer && config.Rank > 0)
            details.Add($"r={config.Rank}");
        if (_alphasDiffer && config.Rank > 0)
            details.Add(string.Create(CultureInfo.InvariantCulture, $"α={config.Alpha}"));
        details.AddRange(_recipe.Select(r => string.Create(CultureInfo.InvariantCulture, $"{r.Name}={r.Value(config) ?? "all"}")));
        return details.Count == 0 ? name : $"{name} ({string.Join(", ", details)})";
    }
}
