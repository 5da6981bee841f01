using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Strategies;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>One step down the gradient, in low rank. See <see cref="LoraOneInitialization"/>.</summary>
    /// <param name="gamma">γ: the step is 1/γ of the normalised gradient.</param>
    /// <param name="normalize">Whether the gradient is divided by its largest singular value.</param>
    /// <param name="batchSize">Training rows a batch.</param>
    /// <param name="batches">Batches that the gradient is averaged over.</param>
    public static LoraInitialization LoraOne(double gamma = 128, bool normalize = true, int batchSize = 8, int batches = 1) =>
        new LoraOneInitialization { Gamma = gamma, Normalize = normalize, BatchSize = batchSize, Batches = batches };
}

/// <summary>
/// LoRA-One (arXiv 2502.01235, ICML 2025; YuanheZ/LoRA-One): with −G = U S Vᵀ, [out, in], the descent direction of the
/// mean training loss by W, A = √(S_r/S₀) V_rᵀ/√γ, [r, in], and B = U_r √(S_r/S₀)/√γ, [out, r]. The base weight stays:
/// s·B·A is a first step of gradient descent in rank r, so the model's function changes on purpose.
/// </summary>
/// <remarks>
/// The authors' code divides by the largest singular value S₀, so that the step's size depends on γ alone; their README
/// and the paper's spectral initialisation have √S without it, as <see cref="Normalize"/> = false has (with the factor
/// 1/√γ). Their gradient is the mean over 8 rows (YuanheZ/LoRA-One 01bba05, conf/init/gradient.yaml: bsz 1, iters 8; version
/// 0.1.0 took 128), their γ 128, and their scaling that of rsLoRA with alpha 16: s = 16/√r, which is a trainer's option
/// (<see cref="LoraTrainerOptions.RankStabilized"/>), not this strategy's; with alpha/r the first step is √r
/// times shorter. They sketch the SVD with 512 columns and 16 power iterations: <see cref="Iterations"/> = 0, the default here,
/// is exact. The preconditioned update that the paper adds is an option of the optimiser. Needs a base that has gradients: not a quantised one. Cost: forward and backward over the rows and
/// one SVD of [out, in] a layer, fp64.
/// </remarks>
public sealed record LoraOneInitialization : LoraInitialization
{
    /// <summary>γ. Default 128, as in the authors' code.</summary>
    public double Gamma { get; init => field = Setting.Positive(value); } = 128;

    /// <summary>Whether S is divided by its largest value. Default true, as in the authors' code.</summary>
    public bool Normalize { get; init; } = true;

    /// <summary>Power iterations of a randomised SVD; 0 (the default) for the exact one.</summary>
    public int Iterations { get; init => field = Setting.AtLeast(value, 0); }

    /// <summary>Training rows a batch. Default 8.</summary>
    public int BatchSize { get; init => field = Setting.AtLeast(value, 1); } = 8;

    /// <summary>Batches. Default 1: 8 rows with the default batch, as many as the authors take.</summary>
    public int Batches { get; init => field = Setting.AtLeast(value, 1); } = 1;

    /// <summary>Whether the gradient is taken with the model's dropout, as the authors' code leaves the model in training mode. Default false.</summary>
    public bool Dropout { get; init; }

    /// <inheritdoc/>
    public override string Name => "lora-one";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.ChangesFunction;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Gradients;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => Decompositions.Scoped(() =>
    {
        var gradients = context.Gradients(BatchSize, Batches, Dropout);
        var triplets = Decompositions.Leading(
            context, Name, t => -gradients[t.ModuleName], t => t.Rank, Iterations, "Singular values of the gradients");
        return
        [
            .. triplets.Select(found =>
            {
                // A gradient of zero has no direction; its factors are then zero too.
                var largest = Normalize ? found.S[0].ClampMin(1e-300).item<double>() : 1;
                var (a, b) = found.Split(largest * Gamma);
                return new InitializedAdapter(a, b);
            }),
        ];
    });
}
