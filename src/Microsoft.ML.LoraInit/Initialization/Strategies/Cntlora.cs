using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Numerics;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>Experimental: a closed-form answer to the shift of the layers' inputs. See <see cref="CntloraInitialization"/>.</summary>
    /// <param name="correctBase">Whether s·B·A is taken out of the base.</param>
    /// <param name="strength">How much of the shift is answered.</param>
    /// <param name="rho">How far above the asked rank a layer's may go.</param>
    /// <param name="batchSize">Training rows a batch.</param>
    /// <param name="batches">Batches looked at.</param>
    public static LoraInitialization Cntlora(bool correctBase = true, double strength = 1, double rho = 2, int batchSize = 32, int batches = 8) =>
        new CntloraInitialization { CorrectBase = correctBase, Strength = strength, Rho = rho, BatchSize = batchSize, Batches = batches };
}

/// <summary>
/// Experimental, after ConsNoTrainLoRA (arXiv 2507.08044): factors in closed form from W [out, in] and the fine-tuning
/// inputs X [rows, in], with no training, and ranks that follow the estimate. What the paper's abstract tells is kept
/// (a domain shift, constraints between pre-training and fine-tuning activations, an estimate of ΔW that is decomposed
/// into the up and down matrices with variable ranks); its formulas were not to be had, so the derivation is this
/// project's own, below, and no result of the paper may be expected of it.
/// </summary>
/// <remarks>
/// Derivation. Pre-training fed the layer with inputs of second moment P, fine-tuning feeds it with C = XᵀX/rows. Ask that
/// the adapted layer's outputs on the new inputs have the second moment that the old layer's had on the old ones:
/// (W + ΔW) C (W + ΔW)ᵀ = W P Wᵀ, and that ΔW be zero where nothing shifted (P = C). P cannot be observed here; the least
/// assuming choice of given energy is the isotropic P = τI with τ = tr(C)/in. Then W + ΔW = √τ · W C^(−½) solves the first
/// constraint and meets the second, hence ΔW = W (√τ C^(−½) − I), [out, in]: inputs that the task makes loud are turned
/// down, faint ones up. With a strength θ in (0, 1] the answer is ΔW = W ((C/τ)^(−θ/2) − I). C is damped by 0.01·τ·I.
/// Of ΔW = U S Vᵀ the r' leading triplets are kept: A = √(S/s) Vᵀ, [r', in], and B = U √(S/s), [out, r']. The sum of all
/// ranks goes to the triplets with the largest share S²/‖ΔW‖² of their layer, each layer between 0 and rho·r; s is kept.
/// By default the base becomes W − s·B·A: the model starts with its own function and only the directions are taken from
/// the estimate. <see cref="CorrectBase"/> = false adds the estimate, as the paper's words suggest; a transformer's
/// inputs are so far from isotropic that this can undo much of what the model knows.
/// Cost: forward passes over the rows, an eigendecomposition of [in, in] a distinct input and an SVD of [out, in] a layer, fp64.
/// </remarks>
public sealed record CntloraInitialization : LoraInitialization
{
    private const double Damping = 0.01;

    /// <summary>Whether the base becomes W − s·B·A. Default true.</summary>
    public bool CorrectBase { get; init; } = true;

    /// <summary>θ, from 0 (excluded) to 1. Default 1.</summary>
    public double Strength { get; init => field = Setting.Positive(Setting.Between(value, 0, 1)); } = 1;

    /// <summary>A layer's rank is at most rho times the asked one. Default 2; 1 for no redistribution.</summary>
    public double Rho { get; init => field = Setting.Between(value, 1, 1000); } = 2;

    /// <summary>Training rows a batch. Default 32.</summary>
    public int BatchSize { get; init => field = Setting.AtLeast(value, 1); } = 32;

    /// <summary>Batches. Default 8.</summary>
    public int Batches { get; init => field = Setting.AtLeast(value, 1); } = 8;

    /// <inheritdoc/>
    public override string Name => "cntlora";

    /// <inheritdoc/>
    public override InitializationFamily Family => CorrectBase ? InitializationFamily.BaseCorrected : InitializationFamily.ChangesFunction;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights | InitializationNeeds.Activations;

    internal override bool IsExperimental => true;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name, Candidates(target));

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context)
    {
        using var moments = InputMoments.Gather(context, BatchSize, Batches, MomentForm.Tokens);
        return Decompositions.Scoped(() =>
        {
            var answers = new Dictionary<string, Tensor>();
            foreach (var target in context.Targets)
            {
                if (!answers.ContainsKey(moments.InputName(target)))
                    answers[moments.InputName(target)] = Answer(moments.Of(target));
            }
            var energies = new Dictionary<string, double>();
            var triplets = Decompositions.Full(context, Estimate, t => ..Candidates(t), "Answers to the inputs' shift");
            return Factors(context, triplets, energies);

            Tensor Estimate(AdapterTarget target)
            {
                var estimate = context.Weight(target).to(ScalarType.Float64).matmul(answers[moments.InputName(target)]);
                energies[target.ModuleName] = estimate.Square().sum().item<double>();
                return estimate;
            }
        });
    }

    private List<InitializedAdapter> Factors(InitializationContext context, SingularTriplets[] triplets, Dictionary<string, double> energies)
    {
        var merits = context.Targets.Zip(triplets).ToDictionary(p => p.First.ModuleName, p => Shares(p.Second.S, energies[p.First.ModuleName]));
        var ranks = RankBudget.Distribute(context.Targets.Sum(t => t.Rank), merits);
        var results = new List<InitializedAdapter>();
        foreach (var (target, found) in context.Targets.Zip(triplets))
        {
            var rank = ranks[target.ModuleName];
            var kept = new SingularTriplets(found.U.narrow(1, 0, rank), found.S.narrow(0, 0, rank), found.Vh.narrow(0, 0, rank));
            var (a, b) = kept.Split(target.Scaling);
            results.Add(new InitializedAdapter(a, b)
            {
                SubtractFromBase = CorrectBase,
                Alpha = rank == target.Rank || rank == 0 ? null : target.Scaling * (target.RankStabilized ? Math.Sqrt(rank) : rank),
            });
        }
        return results;
    }

    private static double[] Shares(Tensor s, double energy)
    {
        using var scope = NewDisposeScope();
        return s.Square().Div(Math.Max(energy, 1e-300)).cpu().data<double>().ToArray();
    }

    /// <summary>(C/τ)^(−θ/2) − I.</summary>
    private Tensor Answer(Tensor moment)
    {
        using var scope = NewDisposeScope();
        var identity = eye(moment.shape[0], moment.shape[0], ScalarType.Float64, moment.device);
        var tau = moment.diagonal(0, 0, 1).mean().ClampMin(1e-300);
        var (values, vectors) = Linalg.Eigh((moment / tau).Add(identity.Mul(Damping)));
        var powers = values.ClampMin(Damping).Pow(-Strength / 2);
        return ((vectors * powers).matmul(vectors.t()) - identity).MoveToOuterDisposeScope();
    }

    private int Candidates(AdapterTarget target) => (int)Math.Round(target.Rank * Rho, MidpointRounding.ToEven);
}
