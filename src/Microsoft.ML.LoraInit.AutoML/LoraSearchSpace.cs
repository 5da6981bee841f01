using Microsoft.ML.SearchSpace;
using Microsoft.ML.SearchSpace.Option;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// The settings of a LoRA fine-tuning that matter most, as a search space of ML.NET's AutoML: strategy, rank, alpha and
/// learning rate. Its default is the trainers' own default where that is in the space, so a tuner that begins with the
/// default (as AutoML's do) has it as the first trial to beat.
/// </summary>
/// <example><code>
/// var lora = ml.Auto().LoraTextClassification(() => new() { MaxEpochs = 2 }, new LoraSearchSpace { Ranks = [4, 8, 16] });
/// var pipeline = ml.Transforms.Conversion.MapValueToKey("Label").Append(lora);
/// var best = ml.Auto().CreateExperiment().SetPipeline(pipeline).SetDataset(train, validation)
///     .SetMulticlassClassificationMetric(MulticlassClassificationMetric.MicroAccuracy, "Label")
///     .SetMonitor(new LoraTrialMonitor()).SetTrainingTimeInSeconds(600).Run();
/// </code></example>
public sealed class LoraSearchSpace
{
    private const string InitializationKey = "Initialization";
    private const string RankKey = "Rank";
    private const string AlphaKey = "Alpha";
    private const string LearningRateKey = "LearningRate";

    private static readonly LoraTrainerOptions Defaults = new LoraTextClassificationTrainer.Options();

    /// <summary>The strategies tried. Default: Kaiming, orthogonal, PiSSA, MiLoRA and LoRA-One.</summary>
    public IReadOnlyList<LoraInitialization> Initializations { get; init; } =
        [LoraInitialization.Kaiming(), LoraInitialization.Orthogonal(), LoraInitialization.Pissa(), LoraInitialization.Milora(), LoraInitialization.LoraOne()];

    /// <summary>The ranks tried. Default 4, 8 and 16.</summary>
    public IReadOnlyList<int> Ranks { get; init; } = [4, 8, 16];

    /// <summary>The alphas tried. Default 8, 16 and 32.</summary>
    public IReadOnlyList<double> Alphas { get; init; } = [8, 16, 32];

    /// <summary>The lowest learning rate. Default 1e-4.</summary>
    public double MinLearningRate { get; init; } = 1e-4;

    /// <summary>The highest learning rate; between the two it is drawn by its logarithm. Default 1e-2.</summary>
    public double MaxLearningRate { get; init; } = 1e-2;

    /// <summary>The space as AutoML takes it.</summary>
    /// <exception cref="ArgumentException">A list is empty, has a value twice or one out of range, or the learning rates are no range.</exception>
    public SearchSpace.SearchSpace ToSearchSpace()
    {
        Check(Initializations, nameof(Initializations), i => i is not null);
        Check(Ranks, nameof(Ranks), r => r >= 1);
        Check(Alphas, nameof(Alphas), a => a > 0 && double.IsFinite(a));
        if (!(MinLearningRate > 0) || !(MaxLearningRate > MinLearningRate) || !double.IsFinite(MaxLearningRate))
            throw new ArgumentException($"{nameof(MinLearningRate)} = {MinLearningRate} and {nameof(MaxLearningRate)} = {MaxLearningRate} are no range: give two numbers above 0, the second the larger.");
        var rate = Math.Clamp(Defaults.InitialLearningRate, MinLearningRate, MaxLearningRate);
        return new()
        {
            [InitializationKey] = Choice(Labels(), Label(Defaults.Initialization)),
            [RankKey] = Choice(Ranks, Defaults.Rank),
            [AlphaKey] = Choice(Alphas, Defaults.Alpha),
            [LearningRateKey] = new UniformDoubleOption(MinLearningRate, MaxLearningRate, logBase: true, rate),
        };
    }

    /// <summary>Puts a point of the space on a trainer's options; what the space does not have stays.</summary>
    /// <param name="point">A parameter that AutoML drew from <see cref="ToSearchSpace"/>.</param>
    /// <param name="options">Changed.</param>
    /// <exception cref="ArgumentException">The point is of another space.</exception>
    public void Apply(Parameter point, LoraTrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(point);
        ArgumentNullException.ThrowIfNull(options);
        var label = Value(point, InitializationKey).AsType<string>();
        var index = Labels().ToList().IndexOf(label);
        options.Initialization = index >= 0 ? Initializations[index] : throw new ArgumentException($"The search space has no strategy '{label}'. It has: {string.Join(", ", Labels())}.", nameof(point));
        options.Rank = Value(point, RankKey).AsType<int>();
        options.Alpha = Value(point, AlphaKey).AsType<double>();
        options.InitialLearningRate = Value(point, LearningRateKey).AsType<double>();
    }

    private static Parameter Value(Parameter point, string key) => point.TryGetValue(key, out var value)
        ? value
        : throw new ArgumentException($"The parameter has no '{key}': it is not of this search space.", nameof(point));

    // A strategy with two settings is two choices: the second of a name gets a number.
    private string[] Labels() =>
        [.. Initializations.Select((strategy, i) => Initializations.Take(i).Count(s => s.Name == strategy.Name) is > 0 and var before ? $"{strategy.Name} {before + 1}" : strategy.Name)];

    private string? Label(LoraInitialization strategy) => Initializations.ToList().IndexOf(strategy) is >= 0 and var index ? Labels()[index] : null;

    private static ChoiceOption Choice<T>(IEnumerable<T> values, T? preferred)
    {
        object[] choices = [.. values.Select(v => (object)v!)];
        return new(choices, preferred is not null && choices.Contains(preferred) ? preferred : choices[0]);
    }

    private static void Check<T>(IReadOnlyList<T> values, string name, Func<T, bool> good)
    {
        if (values.Count == 0)
            throw new ArgumentException($"{name} is empty: give at least one.");
        if (values.Distinct().Count() != values.Count)
            throw new ArgumentException($"{name} has a value twice.");
        foreach (var value in values)
            if (!good(value))
                throw new ArgumentException($"{name} has {value?.ToString() ?? "null"}, which is out of range.");
    }
}
