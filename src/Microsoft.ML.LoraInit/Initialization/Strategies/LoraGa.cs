using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Numerics;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>Singular vectors of the loss's gradient. See <see cref="LoraGaInitialization"/>.</summary>
    /// <param name="form">The authors' or PEFT's.</param>
    /// <param name="direction">Which vectors go into A and which into B.</param>
    /// <param name="scale">How the factors are scaled.</param>
    /// <param name="gamma">γ of the stable scale.</param>
    /// <param name="batchSize">Training rows a batch.</param>
    /// <param name="batches">Batches that the gradient is averaged over.</param>
    public static LoraInitialization LoraGa(
        LoraGaForm form = LoraGaForm.Authors, LoraGaDirection direction = LoraGaDirection.ArB2r, LoraGaScale scale = LoraGaScale.Stable,
        double gamma = 16, int batchSize = 8, int batches = 16) =>
        new LoraGaInitialization { Form = form, Direction = direction, Scale = scale, Gamma = gamma, BatchSize = batchSize, Batches = batches };
}

/// <summary>Whose LoRA-GA.</summary>
public enum LoraGaForm
{
    /// <summary>Outsider565/LoRA-GA: singular vectors alone, both factors scaled.</summary>
    Authors,

    /// <summary>huggingface/peft: B's vectors times their singular values, B alone scaled.</summary>
    Peft,
}

/// <summary>Which of the gradient's 2r leading singular vectors go where.</summary>
public enum LoraGaDirection
{
    /// <summary>A: the first r, B: the next r.</summary>
    [JsonStringEnumMemberName("ArB2r")]
    ArB2r,

    /// <summary>A: the odd ones (2nd, 4th, …), B: the even ones (1st, 3rd, …).</summary>
    [JsonStringEnumMemberName("ArBr")]
    ArBr,

    /// <summary>A: the second r, B: the first r.</summary>
    [JsonStringEnumMemberName("A2rBr")]
    A2rBr,

    /// <summary>Drawn from all 2r: disjoint sets in the authors' form, one set for both in PEFT's.</summary>
    [JsonStringEnumMemberName("random")]
    Random,
}

/// <summary>How LoRA-GA's factors are scaled.</summary>
public enum LoraGaScale
{
    /// <summary>By out^¼/√γ: both factors (authors) or B alone (PEFT). Keeps the variance of outputs and gradients whatever the size.</summary>
    Stable,

    /// <summary>By the weight's singular values: both by mean √(σ(W)/s) (authors) or B by σ₁(W)/σ of B's first vector (PEFT).</summary>
    WeightSvd,

    /// <summary>Both divided by s: the first step is that of gradient descent.</summary>
    GdScale,

    /// <summary>Not scaled.</summary>
    Unit,
}

/// <summary>
/// LoRA-GA (arXiv 2407.05000, NeurIPS 2024): with G = U S Vᵀ, [out, in], the gradient of the mean training loss by W,
/// A is made of rows of Vᵀ, [r, in], and B of columns of U, [out, r], so that LoRA's first step is along G's best rank-2r
/// approximation. The base becomes W − s·B·A, so that the model starts with its own function.
/// </summary>
/// <remarks>
/// Code and code disagree. The authors' form: A = c Vᵀ[:r], B = c U[:, r:2r] with c = out^¼/√γ. PEFT's: A = Vᵀ[:r],
/// B = c U[:, r:2r] diag(S[r:2r]). The default is the authors', who report the results. Both take the SVD from a sketch
/// of 4r columns and 4 power iterations; <see cref="Iterations"/> = 0, the default here, is exact. γ = 16 is both codes'
/// default (the authors' README advises 64 with rsLoRA). The authors' "weightS" averages over the r leading singular
/// values of W. Rows: the authors average 64 batches of 2 (PEFT's example too) or 8 of 1; here 16 of 8, the same 128 rows.
/// Both leave the model in training mode while they differentiate, so that dropout is on: <see cref="Dropout"/>; off by default,
/// the loss's own gradient. <see cref="NormClip"/> is the authors' (layer.py, <c>norm_clip</c>; no such option in PEFT's form).
/// Needs 2r ≤ min(out, in), and a base that has gradients: not a quantised one. Cost: forward and backward over the rows
/// and one SVD of [out, in] a layer, fp64.
/// </remarks>
public sealed record LoraGaInitialization : LoraInitialization
{
    /// <summary>Authors (the default) or Peft.</summary>
    public LoraGaForm Form { get; init => field = Setting.Defined(value); }

    /// <summary>Default ArB2r, as in both codes.</summary>
    public LoraGaDirection Direction { get; init => field = Setting.Defined(value); }

    /// <summary>Default Stable, as in both codes.</summary>
    public LoraGaScale Scale { get; init => field = Setting.Defined(value); }

    /// <summary>γ of <see cref="LoraGaScale.Stable"/>. Default 16.</summary>
    public double Gamma { get; init => field = Setting.Positive(value); } = 16;

    /// <summary>Power iterations of a randomised SVD; 0 (the default) for the exact one.</summary>
    public int Iterations { get; init => field = Setting.AtLeast(value, 0); }

    /// <summary>Training rows a batch. Default 8.</summary>
    public int BatchSize { get; init => field = Setting.AtLeast(value, 1); } = 8;

    /// <summary>Batches. Default 16.</summary>
    public int Batches { get; init => field = Setting.AtLeast(value, 1); } = 16;

    /// <summary>Whether the gradient is taken with the model's dropout, as in both codes. Default false.</summary>
    public bool Dropout { get; init; }

    /// <summary>
    /// Whether A and B shrink by √ρ each, ρ = max|W| / max|s·B·A|, where ρ is below 1, so that nothing that is taken out of the
    /// base is larger than its largest number. Default false, as in the authors' code.
    /// </summary>
    public bool NormClip { get; init; }

    /// <inheritdoc/>
    public override string Name => "lora-ga";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights | InitializationNeeds.Gradients;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name, 2L * target.Rank);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => Decompositions.Scoped(() =>
    {
        var gradients = context.Gradients(BatchSize, Batches, Dropout);
        var triplets = Decompositions.Leading(
            context, Name, t => gradients[t.ModuleName], t => 2 * t.Rank, Iterations, "Singular values of the gradients");
        var norms = Scale is LoraGaScale.WeightSvd
            ? Decompositions.Full(context, context.Weight, t => ..t.Rank, "Singular values of the weights")
            : null;
        return
        [
            .. context.Targets.Select((target, i) => Factors(context, target, triplets[i], norms?[i].S)),
        ];
    });

    private InitializedAdapter Factors(InitializationContext context, AdapterTarget target, SingularTriplets gradient, Tensor? weightValues)
    {
        var (rowsOfA, columnsOfB) = Indices(context, target);
        var a = gradient.Vh.index_select(0, rowsOfA);
        var b = gradient.U.index_select(1, columnsOfB);
        var valuesOfB = gradient.S.index_select(0, columnsOfB);
        var peft = Form is LoraGaForm.Peft;
        if (peft)
            b = b * valuesOfB;
        var (factorA, factorB) = Scale switch
        {
            LoraGaScale.Stable when peft => (1, Stable(target)),
            LoraGaScale.Stable => (Stable(target), Stable(target)),
            LoraGaScale.WeightSvd when peft => (1, Ratio(weightValues![0].item<double>(), valuesOfB[0].item<double>())),
            LoraGaScale.WeightSvd => Same(weightValues!.Div(target.Scaling).sqrt().mean().item<double>()),
            LoraGaScale.GdScale => Same(1 / target.Scaling),
            _ => (1.0, 1.0),
        };
        (a, b) = (a.Mul(factorA), b.Mul(factorB));
        var clip = NormClip ? Math.Sqrt(Clip(context, target, a, b)) : 1;
        return new InitializedAdapter(a.Mul(clip).to(ScalarType.Float32), b.Mul(clip).to(ScalarType.Float32)) { SubtractFromBase = true };
    }

    private (Tensor A, Tensor B) Indices(InitializationContext context, AdapterTarget target)
    {
        long r = target.Rank;
        var indices = Numbers.Arange(2 * r, ScalarType.Int64, context.Device);
        switch (Direction)
        {
            case LoraGaDirection.ArB2r:
                return (indices.narrow(0, 0, r), indices.narrow(0, r, r));
            case LoraGaDirection.A2rBr:
                return (indices.narrow(0, r, r), indices.narrow(0, 0, r));
            case LoraGaDirection.ArBr:
                return (indices.view(r, 2).select(1, 1), indices.view(r, 2).select(1, 0));
            default:
                using (var random = context.Random(target, $"{Name}/indices"))
                {
                    var order = empty(2 * r).uniform_(0, 1, random).argsort().to(context.Device);
                    return (order.narrow(0, 0, r), Form is LoraGaForm.Peft ? order.narrow(0, 0, r) : order.narrow(0, r, r));
                }
        }
    }

    private static double Clip(InitializationContext context, AdapterTarget target, Tensor a, Tensor b)
    {
        var offset = b.matmul(a).abs().max().item<double>() * target.Scaling;
        return Math.Min(1, context.Weight(target).abs().max().item<float>() / Math.Max(offset, double.Epsilon));
    }

    private double Stable(AdapterTarget target) => Math.Pow(target.OutFeatures, 0.25) / Math.Sqrt(Gamma);

    // B is zero with its singular values, whatever it is scaled by.
    private static double Ratio(double wanted, double found) => found == 0 ? 1 : wanted / found;

    private static (double, double) Same(double factor) => (factor, factor);
}
