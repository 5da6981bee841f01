using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>LoRA's own default: A Kaiming-uniform, B zero. See <see cref="KaimingInitialization"/>.</summary>
    public static LoraInitialization Kaiming() => new KaimingInitialization();
}

/// <summary>
/// LoRA's default initialisation (arXiv 2106.09685, microsoft/LoRA), called Init[A] in arXiv 2406.08447:
/// A ~ Kaiming-uniform with a = √5, that is U(−1/√in, 1/√in), [r, in]; B = 0, [out, r].
/// The base weight is untouched. Cost: one draw a layer. No settings.
/// </summary>
public sealed record KaimingInitialization : LoraInitialization
{
    /// <inheritdoc/>
    public override string Name => "kaiming";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseUntouched;

    /// <inheritdoc/>
    public override AdapterFactor ZeroFactor => AdapterFactor.B;

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
    [
        .. context.Targets.Select(target =>
        {
            using var generator = context.Random(target, Name);
            var bound = 1.0 / Math.Sqrt(target.InFeatures);
            var a = empty(target.Rank, target.InFeatures).uniform_(-bound, bound, generator).to(context.Device);
            return new InitializedAdapter(a, zeros(target.OutFeatures, target.Rank, device: context.Device));
        }),
    ];
}
