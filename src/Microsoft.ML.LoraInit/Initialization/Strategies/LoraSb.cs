using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>A small matrix trained within the first full step's leading singular vectors. See <see cref="LoraSbInitialization"/>.</summary>
    /// <param name="stepSize">η, the length of the step that is approximated.</param>
    /// <param name="batchSize">Training rows a batch.</param>
    /// <param name="batches">Batches that the gradient is averaged over.</param>
    public static LoraInitialization LoraSb(double stepSize = 1e-5, int batchSize = 8, int batches = 16) =>
        new LoraSbInitialization { StepSize = stepSize, BatchSize = batchSize, Batches = batches };
}

/// <summary>
/// LoRA-SB (arXiv 2411.19557; RaghavSinghal10/lora-sb): three matrices, ΔW = s·B·N·A, on an estimate of what the first step of
/// full fine-tuning would do. With −η·sign(G) = U S Vᵀ, [out, in], G the gradient of the mean training loss by W (the first
/// step of Adam at the rate η), A = V_rᵀ, [r, in], and B = U_r, [out, r], both orthonormal and frozen, and N = diag(S_r)/s,
/// [r, r], which alone is trained: r² numbers a layer. The base weight stays: s·B·N·A is that step in rank r, so the model's
/// function changes on purpose.
/// </summary>
/// <remarks>
/// As in the authors' code (37b33d4, train_glue.py, utils/gradient_utils.py and initialization_utils.py), where alpha = r and so
/// s = 1; here S is divided by s, so that the step is η's whatever alpha is. Their η is the learning rate of the first step of
/// warm-up, lr/(warm-up share × steps): with their lr 1e-3 and 30 epochs of CoLA 8e-6, hence the default 1e-5; it depends on
/// the run's length, which a start does not know, so set it. They sketch the SVD with 10 power iterations and round it to
/// bf16; <see cref="Iterations"/> = 0, the default here, is exact. Their rows: 2 for GLUE, 50 for arithmetic, 170 for commonsense
/// reasoning; here 128. Their model is in training mode while they differentiate: <see cref="Dropout"/>. Needs a base that has
/// gradients: not a quantised one. Cost: forward and backward over the rows and one SVD of [out, in] a layer, fp64.
/// </remarks>
public sealed record LoraSbInitialization : LoraInitialization
{
    /// <summary>η. Default 1e-5.</summary>
    public double StepSize { get; init => field = Setting.Positive(value); } = 1e-5;

    /// <summary>Power iterations of a randomised SVD; 0 (the default) for the exact one.</summary>
    public int Iterations { get; init => field = Setting.AtLeast(value, 0); }

    /// <summary>Training rows a batch. Default 8.</summary>
    public int BatchSize { get; init => field = Setting.AtLeast(value, 1); } = 8;

    /// <summary>Batches. Default 16.</summary>
    public int Batches { get; init => field = Setting.AtLeast(value, 1); } = 16;

    /// <summary>Whether the gradient is taken with the model's dropout. Default true, as in the authors' code.</summary>
    public bool Dropout { get; init; } = true;

    /// <inheritdoc/>
    public override string Name => "lora-sb";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.ChangesFunction;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Gradients;

    /// <inheritdoc/>
    public override string? PreconditioningObstacle => "its product has three factors, and the preconditioner is for two";

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => Decompositions.Scoped(() =>
    {
        var gradients = context.Gradients(BatchSize, Batches, Dropout);
        var triplets = Decompositions.Leading(
            context, Name, t => gradients[t.ModuleName].to(ScalarType.Float64).sign().Mul(-StepSize), t => t.Rank, Iterations, "Singular values of the first step");
        return
        [
            .. context.Targets.Zip(triplets, (target, found) => new InitializedAdapter(found.Vh.to(ScalarType.Float32), found.U.to(ScalarType.Float32))
            {
                N = diag(found.S.Div(target.Scaling)).to(ScalarType.Float32),
                FreezeA = true,
                FreezeB = true,
            }),
        ];
    });
}
