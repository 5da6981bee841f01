using Microsoft.ML.LoraInit.Initialization.Strategies;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>A small random matrix between A and B, all three trained. See <see cref="SloraInitialization"/>.</summary>
    public static LoraInitialization Slora() => new SloraInitialization();
}

/// <summary>
/// SLoRA, StructuredLoRA (arXiv 2502.14482, EMNLP 2025 Findings; TracyGuo2001/NLoRA): three matrices, ΔW = s·B·N·A with
/// A ~ U(±1/√in), [r, in], N ~ U(±1/√r), [r, r] (Kaiming-uniform with a = √5 both), and B = 0, [out, r]. All three are
/// trained; the product is zero and the base weight untouched.
/// </summary>
/// <remarks>
/// As in the authors' code (b66f88d, peft/src/peft/tuners/lora/layer.py, <c>slora_init</c>). The form that
/// <see cref="NloraInitialization"/> starts from slices of W; no relation to S-LoRA, which serves many adapters, nor to the
/// federated SLoRA. Cost: two draws a layer. No settings.
/// </remarks>
public sealed record SloraInitialization : LoraInitialization
{
    /// <inheritdoc/>
    public override string Name => "slora";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseUntouched;

    /// <inheritdoc/>
    public override AdapterFactor ZeroFactor => AdapterFactor.B;

    /// <inheritdoc/>
    public override string? PreconditioningObstacle => "its product has three factors, and the preconditioner is for two";

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
    [
        .. context.Targets.Select(target => new InitializedAdapter(
            RandomFactors.UniformA(context, target, Name, 1 / Math.Sqrt(target.InFeatures)),
            RandomFactors.ZeroB(context, target))
        {
            N = RandomFactors.Uniform(context, target, $"{Name}/N", target.Rank, target.Rank, 1 / Math.Sqrt(target.Rank)),
        }),
    ];
}
