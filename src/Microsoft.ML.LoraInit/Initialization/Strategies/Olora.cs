using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Initialization.Strategies;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

public abstract partial record LoraInitialization
{
    /// <summary>The first columns and rows of W's QR decomposition. See <see cref="OloraInitialization"/>.</summary>
    public static LoraInitialization Olora() => new OloraInitialization();
}

/// <summary>
/// OLoRA (arXiv 2406.01775; huggingface/peft): with W = Q R, [out, in], B = Q[:, :r], [out, r], orthonormal, and
/// A = R[:r, :], [r, in]. The base becomes W − s·B·A, so that the model starts with its own function.
/// </summary>
/// <remarks>
/// The factors are not divided by s, as in PEFT: with s ≠ 1 the base is not a residual of W, but the function is the
/// same. Cost: one QR of [out, in] a layer in fp64, far below an SVD. No settings.
/// </remarks>
public sealed record OloraInitialization : LoraInitialization
{
    /// <inheritdoc/>
    public override string Name => "olora";

    /// <inheritdoc/>
    public override InitializationFamily Family => InitializationFamily.BaseCorrected;

    /// <inheritdoc/>
    public override InitializationNeeds Needs => InitializationNeeds.Weights;

    /// <inheritdoc/>
    public override void Validate(AdapterTarget target) => Setting.RankFits(target, Name);

    /// <inheritdoc/>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) =>
        [.. context.Targets.Select((target, i) => Factors(context, target, i))];

    private static InitializedAdapter Factors(InitializationContext context, AdapterTarget target, int index)
    {
        context.Report("QR of the weights", index, context.Targets.Count);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var (q, r) = Linalg.Qr(context.Weight(target).to(ScalarType.Float64));
        var a = r.narrow(0, 0, target.Rank).to(ScalarType.Float32);
        var b = q.narrow(1, 0, target.Rank).to(ScalarType.Float32).contiguous();
        return new InitializedAdapter(a.MoveToOuterDisposeScope(), b.MoveToOuterDisposeScope())
        {
            SubtractFromBase = true,
        };
    }
}
