using System.Globalization;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Numerics;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>Factors fitted to W. See <see cref="IniLoraInitialization"/>.</summary>
    /// <param name="steps">Adam steps.</param>
    /// <param name="exact">Whether an SVD gives the optimum at once.</param>
    /// <param name="cacheFolder">Where fits are kept; null for the user's cache, empty for no cache.</param>
    /// <param name="fitSeed">The seed that the fit starts from; null for the run's own.</param>
    public static LoraInitialization IniLora(int steps = 20_000, bool exact = false, string? cacheFolder = null, int? fitSeed = 0) =>
        new IniLoraInitialization { Steps = steps, Exact = exact, CacheFolder = cacheFolder, FitSeed = fitSeed };
}

/// <summary>What σ of <see cref="IniLoraInitialization"/> is the mean deviation of.</summary>
public enum IniLoraSigmaRule
{
    /// <summary>The weights of the kind, as the paper says.</summary>
    Weights,

    /// <summary>The weights and the biases of the kind, as the authors' RoBERTa script computes it.</summary>
    WeightsAndBiases,
}

/// <summary>
/// IniLoRA (arXiv 2510.03731; xueyongfu11/IniLoRA): B [out, r] and A [r, in] are fitted to W by gradient descent on
/// mean((B·A − W)²), from N(0, σ²) by Adam with rate 5e-4, multiplied by 0.9 every 5,000 of 20,000 steps. σ is the mean of
/// the standard deviations of all weights of the kind (all query, all value, …), rounded to 3 decimals. The base becomes
/// the residual W − s·B·A, so that the model starts with its own function.
/// </summary>
/// <remarks>
/// The fitted factors are divided by √s each, so that s·B·A is the fit and the base its residual whatever alpha is. The
/// authors' code subtracts s·B·A with B·A ≈ W; at the paper's alpha = r, where s = 1, the two are the same, and elsewhere
/// theirs leaves a base of about (1 − s) W: <see cref="AbsorbScaling"/> = false gives that.
/// <see cref="Exact"/> takes the least error that the rank allows from an SVD (the best fit by Eckart and Young), with
/// √S on both sides: what the steps go towards, up to an invertible [r, r] between the factors.
/// As paper and code fit a model once and train all seeds from that fit, the fit's own seed, <see cref="FitSeed"/>, is 0
/// whatever the run's is; <c>fitSeed=null</c> fits anew for each run's seed, as version 0.1.0 did. No steps at all
/// (<see cref="Steps"/> = 0, the paper's Table 7) leaves the drawn factors: N(0, σ²) both, taken out of the base.
/// The authors' script (hihi885/IniLoRA 0c0597a, matrix_decomposition/model_weight_decomposition_roberta.py) takes σ over all
/// parameters with the kind in their name, biases too: <see cref="SigmaRule"/>.
/// All layers of one shape and rank are fitted in one batched run; fits are kept on disk under the hash of base, its precision, layers,
/// ranks, steps, rate, σ and the fit's seed. Cost: 8·out·in·r operations a layer and step. The paper states 2.0 minutes and 0.8 GB
/// for RoBERTa-base on an RTX 4090.
/// </remarks>
public sealed record IniLoraInitialization : LoraInitialization
{
    /// <summary>Adam steps. Default 20,000, the paper's; 0 for none.</summary>
    public int Steps { get; init => field = Setting.AtLeast(value, 0); } = 20_000;

    /// <summary>The first learning rate. Default 5e-4, the paper's.</summary>
    public double LearningRate { get; init => field = Setting.Positive(value); } = 5e-4;

    /// <summary>The deviation of the starting factors; null (the default) for the rule above.</summary>
    public double? Sigma { get; init => field = Setting.Positive(value); }

    /// <summary>What the rule for σ averages. Default the weights alone.</summary>
    public IniLoraSigmaRule SigmaRule { get; init => field = Setting.Defined(value); }

    /// <summary>The seed of the starting factors. Default 0, so that runs of other seeds share one fit; null for the run's seed.</summary>
    public int? FitSeed { get; init; } = 0;

    /// <summary>Whether the optimum is taken from an SVD instead of the steps. Default false.</summary>
    public bool Exact { get; init; }

    /// <summary>Whether the factors are divided by √s. Default true.</summary>
    public bool AbsorbScaling { get; init; } = true;

    /// <summary>Where fits are kept: null (the default) for a folder in the user's cache, empty for no cache.</summary>
    public string? CacheFolder { get; init; }

    /// <inheritdoc/>
    public override string Name => "inilora";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights;

    internal override LoraInitialization Former => this with { FitSeed = null };

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => Decompositions.Scoped(() =>
    {
        var factors = Exact ? Optimum(context) : Fitted(context);
        return
        [
            .. context.Targets.Select(target =>
            {
                var (a, b) = factors[target.ModuleName];
                var divisor = AbsorbScaling ? Math.Sqrt(target.Scaling) : 1;
                return new InitializedAdapter(a.Div(divisor), b.Div(divisor)) { SubtractFromBase = true };
            }),
        ];
    });

    private static Dictionary<string, (Tensor A, Tensor B)> Optimum(InitializationContext context)
    {
        var triplets = Decompositions.Full(context, context.Weight, target => ..target.Rank, "Singular values of the weights");
        return context.Targets.Zip(triplets).ToDictionary(p => p.First.ModuleName, p => p.Second.Split(1));
    }

    private Dictionary<string, (Tensor A, Tensor B)> Fitted(InitializationContext context)
    {
        var sigmas = Sigmas(context);
        var settings = string.Create(CultureInfo.InvariantCulture,
            $"steps {Steps} rate {LearningRate:R} sigma {Sigma:R} seed {Seed(context)} device {context.Device.type}");
        if (SigmaRule is not IniLoraSigmaRule.Weights)
            settings += " sigma of weights and biases";
        if (context.WeightType is not ScalarType.Float32)
            settings += $" weights in {context.WeightType}";
        var cache = CacheFolder is "" || Steps == 0
            ? null
            : new FactorizationCache(CacheFolder ?? FactorizationCache.DefaultFolder, context.BaseSha256, context.Targets, settings);
        if (cache is null)
            return Fit(context, sigmas);
        // One warning, whatever is wrong with the cache.
        bool warned = false;
        CudaGate.Wait(cache.Gate.Enter); // for a run that fits the same
        try
        {
            if (cache.Load(context.Targets, context.Device, Warn) is { } stored)
            {
                context.Report("Factorised weights from the cache", 1, 1);
                return stored;
            }
            var fitted = Fit(context, sigmas);
            cache.Store(fitted, Warn);
            return fitted;
        }
        finally
        {
            cache.Gate.Exit();
        }

        void Warn(string message)
        {
            if (!warned)
                context.Warn(message);
            warned = true;
        }
    }

    private Dictionary<string, (Tensor A, Tensor B)> Fit(InitializationContext context, Dictionary<string, double> sigmas)
    {
        var factors = new Dictionary<string, (Tensor A, Tensor B)>();
        var groups = context.Targets.GroupBy(t => (t.OutFeatures, t.InFeatures, t.Rank)).ToArray();
        for (int i = 0; i < groups.Length; i++)
            FitGroup(context, [.. groups[i]], sigmas, i, groups.Length, factors);
        return factors;
    }

    private void FitGroup(
        InitializationContext context, AdapterTarget[] targets, Dictionary<string, double> sigmas, int index, int groups,
        Dictionary<string, (Tensor A, Tensor B)> factors)
    {
        var message = $"Factorising {targets.Length} weights [{targets[0].OutFeatures}, {targets[0].InFeatures}]";
        var fit = new FactorizationByGradient
        {
            Steps = Steps,
            LearningRate = LearningRate,
            OnStep = step => context.Report(message, (long)index * Steps + step, (long)groups * Steps),
        };
        var (b, a) = fit.Fit(
            stack(targets.Select(context.Weight)),
            stack(targets.Select(t => RandomFactors.Normal(context, t, Name + "/B", t.OutFeatures, t.Rank, sigmas[Kind(t)], Seed(context)))),
            stack(targets.Select(t => RandomFactors.Normal(context, t, Name + "/A", t.Rank, t.InFeatures, sigmas[Kind(t)], Seed(context)))));
        for (int k = 0; k < targets.Length; k++)
            factors[targets[k].ModuleName] = (a[k].clone(), b[k].clone());
    }

    private Dictionary<string, double> Sigmas(InitializationContext context) => context.Targets.GroupBy(Kind).ToDictionary(
        kind => kind.Key,
        kind => Sigma ?? Math.Max(0.001, Math.Round(kind.SelectMany(t => Deviations(context, t)).Average(), 3)));

    private IEnumerable<double> Deviations(InitializationContext context, AdapterTarget target)
    {
        yield return context.Weight(target).std().item<float>();
        if (SigmaRule is IniLoraSigmaRule.WeightsAndBiases && context.Bias(target) is { } bias)
            yield return bias.std().item<float>();
    }

    private int Seed(InitializationContext context) => FitSeed ?? context.Seed;

    // "roberta.encoder.layer.3.attention.self.query" is of the kind "query", but "output.dense" and "intermediate.dense" differ.
    private static string Kind(AdapterTarget target)
    {
        var parts = target.ModuleName.Split('.');
        return string.Join('.', parts.TakeLast(parts[^1] == "dense" ? Math.Min(parts.Length, 3) : 1).Where(p => !int.TryParse(p, out _)));
    }
}
