using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tests.Adapters;
using Microsoft.ML.LoraInit.Tests.Trainers;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Libraries;

/// <summary>Models over the mini base with random adapters and heads, as training would leave them, without training.</summary>
internal static class MadeUpModels
{
    private static readonly Lazy<BaseWeights> LazyBase = new(() =>
    {
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        return files.LoadWeights(CPU, ScalarType.Float32);
    });

    private static readonly Lazy<SubwordTokenizer> LazyTokenizer = new(() =>
    {
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        return files.OpenTokenizer();
    });

    /// <summary>The mini model's weights, loaded once; not to be disposed.</summary>
    public static BaseWeights Base => LazyBase.Value;

    /// <summary>Texts of many lengths.</summary>
    public static string[] Texts { get; } =
        [.. Enumerable.Range(0, 60).Select(i => string.Join(' ', Topics.Rows.Skip(i).Take(1 + (i % 4)).Select(r => r.Text)))];

    public static ScoreColumns Multiclass(params string[] labels) =>
        new MulticlassColumns("Score", "PredictedLabel", labels.Length, ClassNames.Of(labels));

    public static ScoreColumns Binary() => new BinaryColumns("Score", "Probability", "PredictedLabel");

    public static ScoreColumns Regression() => new RegressionColumns("Score");

    /// <param name="start">Kind of adapters: words of plain, rs, dora, subtract, middle, replace; or the name of another method.</param>
    /// <param name="scores">The task.</param>
    /// <param name="seed">Of factors and head.</param>
    /// <param name="change">Changes rank, targets and so on.</param>
    /// <param name="pair">Whether it reads pairs.</param>
    /// <param name="headSeed">Of the head, where it is to be another one.</param>
    /// <param name="precision">Of the merged encoder.</param>
    public static LoraTextTransformer Create(
        string start, ScoreColumns scores, int seed, Func<AdapterSettings, AdapterSettings>? change = null, bool pair = false, int? headSeed = null, Precision precision = Precision.Auto)
    {
        var state = State(start, scores.Task.OutputCount, seed, change, headSeed);
        var settings = new FineTunedModel.Settings(scores, new TextColumns("Text", pair ? "Text2" : null), 64, precision, ModelSaveMode.AdapterOnly);
        var history = new TrainingHistory { MetricName = scores.Task.MetricName };
        return LoraTextTransformer.Of(FineTunedModel.Create(settings, state, history, RobertaCheckpoint.Mini, LazyTokenizer.Value, Base, CPU));
    }

    private static FineTunedState State(string start, int outputs, int seed, Func<AdapterSettings, AdapterSettings>? change, int? headSeed)
    {
        using var scope = NewDisposeScope();
        using var model = new RobertaClassifier(Base, outputs, HeadInitializer.Create(Base.Config with { InitializerRange = 0.3 }, outputs, headSeed ?? seed, CPU));
        var words = start.Split('-');
        var method = FineTuningMethod.Names.Contains(start.Split(':')[0]) ? FineTuningMethod.Parse(start) : FineTuningMethod.Lora();
        var settings = new AdapterSettings { Rank = 4, Alpha = 6, UseDora = words.Contains("dora"), RankStabilized = words.Contains("rs") };
        method.Apply(model, change?.Invoke(settings) ?? settings, seed, targets => [.. targets.Select(Factors)]);
        using var noGrad = no_grad();
        using var generator = new Generator((ulong)seed, CPU);
        foreach (var magnitude in model.Parameters.Where(p => p.Name.EndsWith(LinearAdapter.Names.Magnitude, StringComparison.Ordinal)))
            magnitude.Value.mul_(empty(magnitude.Value.shape).uniform_(0.8, 1.2, generator));
        // As if trained on: what started as a part of the base no longer cancels it.
        foreach (var factor in model.Linears.Select(l => l.Adapter).OfType<LinearAdapter>().SelectMany(a => a is LowRankAdapter product ? [product.A] : a.Parameters))
            factor.Value.add_(empty(factor.Value.shape).normal_(0.0, 0.05, generator));
        return FineTunedState.Capture(model, method, LoraInitialization.Kaiming());

        InitializedAdapter Factors(AdapterTarget target)
        {
            using var generator = new Generator(SeededRandom.Hash(seed, target.ModuleName), CPU);
            Tensor Draw(params long[] shape) => empty(shape).normal_(0.0, 0.05, generator);
            return new(Draw(target.Rank, target.InFeatures), Draw(target.OutFeatures, target.Rank))
            {
                N = words.Contains("middle") ? Draw(target.Rank, target.Rank) * 5 : null,
                SubtractFromBase = words.Contains("subtract"),
                ReplacementBase = words.Contains("replace") ? Base[$"{target.ModuleName}.weight"] * 0.9 : null,
            };
        }
    }
}
