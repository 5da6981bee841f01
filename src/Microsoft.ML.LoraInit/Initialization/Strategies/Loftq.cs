using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using Microsoft.ML.LoraInit.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>A base in NF4 with its quantisation error in the factors. See <see cref="LoftqInitialization"/>.</summary>
    /// <param name="iterations">Rounds of quantising and decomposing.</param>
    /// <param name="doubleQuantization">Whether the blocks' scales are in 8 bits too.</param>
    public static LoraInitialization Loftq(int iterations = 1, bool doubleQuantization = false) =>
        new LoftqInitialization { Iterations = iterations, DoubleQuantization = doubleQuantization };
}

/// <summary>
/// LoftQ (arXiv 2310.08659; yxli2123/LoftQ, huggingface/peft) with NF4 (arXiv 2305.14314): in each round
/// Q = NF4(W − s·B·A), [out, in], then s·B·A = the r leading triplets of W − Q, with A = √(S_r/s) V_rᵀ, [r, in], and
/// B = U_r √(S_r/s), [out, r]; B·A starts at zero. The base is replaced by Q's 16 levels a block of 64.
/// </summary>
/// <remarks>
/// Q + s·B·A is W but for what rank r cannot mend of the quantisation error: the function changes a little, which is
/// this family's meaning here. S is divided by s, so that s·B·A is the correction whatever alpha is. The reference code and PEFT
/// leave that out: with alpha = r, as for the authors' encoders, it is the same; with the alpha 16 of their 4-bit causal models
/// their correction is s times the one that the decomposition found. Neither quantises the scales of the blocks again, as
/// <see cref="DoubleQuantization"/> does (QLoRA; version 0.1.0 did so by default). 1 round is PEFT's default; the error can fall a little more with
/// 2 to 5, and the last round's decomposition belongs to the last round's Q. Layers without an adapter stay as they are,
/// unless the base is held in 4 bits (<see cref="LoraTrainerOptions.BaseQuantization"/>): then Q is what the layer holds.
/// Cost: a quantisation and an SVD a layer and round, batched by shape, fp64.
/// </remarks>
public sealed record LoftqInitialization : LoraInitialization
{
    /// <summary>Rounds. Default 1, as in PEFT; the authors' scripts use 5.</summary>
    public int Iterations { get; init => field = Setting.AtLeast(value, 1); } = 1;

    /// <summary>Whether the scales of NF4's blocks are themselves in 8 bits, as in QLoRA. Default false, as in the authors' code and PEFT.</summary>
    public bool DoubleQuantization { get; init; }

    /// <inheritdoc/>
    public override string Name => "loftq";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.ChangesFunction;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights;

    /// <inheritdoc/>
    public override bool ReplacesBase => true;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => Decompositions.Scoped(() =>
    {
        var factors = new Dictionary<string, InitializedAdapter>();
        for (int round = 1; round <= Iterations; round++)
        {
            var quantized = context.Targets.ToDictionary(t => t.ModuleName, t => Quantized(context, t, factors.GetValueOrDefault(t.ModuleName)));
            var triplets = Decompositions.Full(
                context, t => context.OriginalWeight(t) - quantized[t.ModuleName], t => ..t.Rank, $"Quantisation error, round {round} of {Iterations}");
            foreach (var (target, found) in context.Targets.Zip(triplets))
            {
                var (a, b) = found.Split(target.Scaling);
                factors[target.ModuleName] = new InitializedAdapter(a, b) { ReplacementBase = quantized[target.ModuleName] };
            }
        }
        return [.. context.Targets.Select(t => factors[t.ModuleName])];
    });

    private Tensor Quantized(InitializationContext context, AdapterTarget target, InitializedAdapter? last)
    {
        var weight = context.OriginalWeight(target);
        return Nf4.RoundTrip(last is null ? weight : weight - last.B.matmul(last.A).Mul(target.Scaling), DoubleQuantization);
    }
}
