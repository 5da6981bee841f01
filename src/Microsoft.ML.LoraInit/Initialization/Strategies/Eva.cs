using System.Globalization;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Numerics;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>Principal directions of the layers' inputs, ranks by explained variance. See <see cref="EvaInitialization"/>.</summary>
    /// <param name="rho">How far above the asked rank a layer's may go.</param>
    /// <param name="tau">The cosine at which a component counts as settled.</param>
    /// <param name="whiten">Whether A's rows are divided by the square roots of the singular values.</param>
    /// <param name="adjustScaling">Whether alpha follows the rank, so that s stays.</param>
    /// <param name="batchSize">Training rows a pass looks at at once.</param>
    public static LoraInitialization Eva(double rho = 2, double tau = 0.99, bool whiten = false, bool adjustScaling = true, int batchSize = 32) =>
        new EvaInitialization { Rho = rho, Tau = tau, Whiten = whiten, AdjustScaling = adjustScaling, BatchSize = batchSize };
}

/// <summary>Which components of a layer's inputs must settle before <see cref="EvaInitialization"/> is done with it.</summary>
public enum EvaSettling
{
    /// <summary>Those that received a rank, as in PEFT.</summary>
    Assigned,

    /// <summary>All rho·r candidates.</summary>
    All,
}

/// <summary>
/// EVA (arXiv 2410.07170; ml-jku/EVA, huggingface/peft): A [r', in] = the leading right singular vectors of the layer's
/// mean-centred inputs on training rows, found by an incremental SVD; B = 0, [out, r']. The base weight is untouched.
/// Each layer is given ⌈rho·r⌋ candidate directions; then the sum of all ranks goes to the directions that explain the
/// largest share of their layer's variance, so that r' runs from 0 (no adapter) to rho·r.
/// </summary>
/// <remarks>
/// As PEFT (huggingface/peft 5d602fd, tuners/lora/eva.py): inputs shared by several layers are decomposed once, padding is left
/// out, and ranks are shared out anew after every batch; a layer is settled when the cosine with their predecessors of those of
/// its components that received a rank reaches tau, and rests until it receives more; the passes end when all are settled. PEFT
/// goes round its data without end; here <see cref="Passes"/> bounds it, and the run's log says where components have not
/// settled. <see cref="EvaSettling.All"/> with one pass is what version 0.1.0 had. With
/// <see cref="AdjustScaling"/> alpha is changed so that s = alpha/r (or alpha/√r) stays what it was; PEFT multiplies by
/// r'/r for both forms, which changes s with rsLoRA. PEFT skips batches with fewer tokens than components; here they wait
/// for the next. rho = 1 gives all layers the asked rank. Cost: forward passes over the rows and one eigendecomposition
/// of [in, in] a distinct input and batch, fp64.
/// </remarks>
public sealed record EvaInitialization : LoraInitialization
{
    private const double InputRounding = 1e-7;

    /// <summary>A layer's rank is at most rho times the asked one. Default 2, as in PEFT; 1 for no redistribution.</summary>
    public double Rho { get; init => field = Setting.Between(value, 1, 1000); } = 2;

    /// <summary>The cosine at which a component counts as settled, from 0 to 1. Default 0.99, as in PEFT.</summary>
    public double Tau { get; init => field = Setting.Between(value, 0, 1); } = 0.99;

    /// <summary>Whether A's rows are divided by √σ. Default false, as in PEFT. Rows along which the inputs do not vary stay as they are (PEFT divides by zero).</summary>
    public bool Whiten { get; init; }

    /// <summary>Whether alpha follows the rank, so that s stays. Default true, as in PEFT.</summary>
    public bool AdjustScaling { get; init; } = true;

    /// <summary>Which components must settle. Default those that received a rank, as in PEFT.</summary>
    public EvaSettling Settling { get; init => field = Setting.Defined(value); }

    /// <summary>Passes over the training rows at most. Default 10.</summary>
    public int Passes { get; init => field = Setting.AtLeast(value, 1); } = 10;

    /// <summary>Training rows a batch. Default 32.</summary>
    public int BatchSize { get; init => field = Setting.AtLeast(value, 1); } = 32;

    /// <inheritdoc/>
    public override string Name => "eva";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseUntouched;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Activations;

    internal override LoraInitialization Former => this with { Settling = EvaSettling.All, Passes = 1 };

    /// <inheritdoc/>
    public override AdapterFactor ZeroFactor => AdapterFactor.B;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target)
    {
        if (Candidates(target) > target.InFeatures)
            throw new ArgumentException($"The initialisation '{Name}' needs {Candidates(target)} directions of '{target.ModuleName}' (rank {target.Rank} × rho {Rho}), but its input has {target.InFeatures} features. Lower the rank or rho.");
    }

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context)
    {
        var inputs = new SharedInputs();
        var analyses = new Dictionary<string, IncrementalPca>();
        try
        {
            Gather(context, inputs, analyses);
            return Decompositions.Scoped(() => Factors(context, t => analyses[inputs.Representative(t).ModuleName]));
        }
        finally
        {
            foreach (var analysis in analyses.Values)
                analysis.Dispose();
        }
    }

    private void Gather(InitializationContext context, SharedInputs inputs, Dictionary<string, IncrementalPca> analyses)
    {
        // The widest rank among layers that might share an input decides how many components are kept.
        var components = context.Targets.GroupBy(t => t.InFeatures).ToDictionary(g => g.Key, g => g.Max(Candidates));
        var needed = new Dictionary<string, int>();
        int visits = 0;
        context.VisitActivations(BatchSize, null, Passes, (target, x, _) =>
        {
            if (inputs.Representative(target, x) == target)
            {
                if (!analyses.TryGetValue(target.ModuleName, out var analysis))
                    analyses[target.ModuleName] = analysis = new IncrementalPca(components[target.InFeatures]);
                if (!IsSettled(target.ModuleName, analysis))
                    analysis.Add(x);
                context.Report("Principal directions of the layers' inputs", analyses.Count(a => IsSettled(a.Key, a.Value)), analyses.Count);
            }
            // Every layer is visited once a batch.
            if (++visits % context.Targets.Count != 0)
                return true;
            needed = Needed(context, inputs, analyses);
            return !analyses.All(a => IsSettled(a.Key, a.Value));
        });
        foreach (var analysis in analyses.Values)
            analysis.Complete();
        Tell(context, [.. analyses.Where(a => !IsSettled(a.Key, a.Value)).Select(a => a.Key)]);

        bool IsSettled(string name, IncrementalPca analysis) => needed.TryGetValue(name, out var count)
            && (count == 0 || (analysis.Cosines.Length > 0 && analysis.Cosines.Take(count).All(c => c >= Tau)));
    }

    /// <summary>How many leading components of each distinct input must settle: as many as the ranks of now ask for, or all.</summary>
    private Dictionary<string, int> Needed(InitializationContext context, SharedInputs inputs, Dictionary<string, IncrementalPca> analyses)
    {
        if (analyses.Values.Any(a => !a.IsFitted))
            return [];
        string Of(AdapterTarget target) => inputs.Representative(target).ModuleName;
        var ranks = Settling is EvaSettling.All
            ? context.Targets.ToDictionary(t => t.ModuleName, t => analyses[Of(t)].Components.shape[0])
            : Ranks(context, t => analyses[Of(t)]).ToDictionary(r => r.Key, r => (long)r.Value);
        return context.Targets.GroupBy(Of).ToDictionary(g => g.Key, g => (int)g.Max(t => ranks[t.ModuleName]));
    }

    private void Tell(InitializationContext context, string[] unsettled)
    {
        if (unsettled.Length == 0)
            return;
        var (some, them) = unsettled.Length == 1 ? ("an input's components have", "it") : ($"the components of {unsettled.Length} inputs have", "them");
        context.Warn(string.Create(CultureInfo.InvariantCulture,
            $"EVA: {some} not settled within {Passes} {(Passes == 1 ? "pass" : "passes")} over the training rows (a cosine below tau = {Tau}), '{unsettled[0]}' among {them}. More passes, a lower tau or more rows let them settle."));
    }

    private IReadOnlyDictionary<string, int> Ranks(InitializationContext context, Func<AdapterTarget, IncrementalPca> analysis) => RankBudget.Distribute(
        context.Targets.Sum(t => t.Rank),
        context.Targets.ToDictionary(t => t.ModuleName, t => analysis(t).ExplainedVarianceRatio[..Candidates(t)]));

    private List<InitializedAdapter> Factors(InitializationContext context, Func<AdapterTarget, IncrementalPca> analysis)
    {
        var ranks = Ranks(context, analysis);
        var results = new List<InitializedAdapter>();
        foreach (var target in context.Targets)
        {
            var rank = ranks[target.ModuleName];
            var a = analysis(target).Components.narrow(0, 0, rank);
            if (Whiten)
                a = a / Deviations(analysis(target).SingularValues).narrow(0, 0, rank).unsqueeze(1);
            results.Add(new InitializedAdapter(a.to(ScalarType.Float32).clone(), zeros(target.OutFeatures, rank, device: context.Device))
            {
                Alpha = AdjustScaling && rank != target.Rank && rank > 0 ? Alpha(target, rank) : null,
            });
        }
        return results;
    }

    /// <summary>√σ; 1 of directions in which the inputs do not vary, up to fp32's rounding of them.</summary>
    private static Tensor Deviations(Tensor values)
    {
        var varies = values.gt(values[0].Mul(InputRounding)) & values.Gt(0);
        return where(varies, values, ones_like(values)).sqrt();
    }

    private int Candidates(AdapterTarget target) => (int)Math.Round(target.Rank * Rho, MidpointRounding.ToEven);

    private static double Alpha(AdapterTarget target, int rank) =>
        target.Scaling * (target.RankStabilized ? Math.Sqrt(rank) : rank);
}
