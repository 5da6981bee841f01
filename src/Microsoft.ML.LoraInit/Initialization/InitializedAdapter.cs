using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// What a strategy made for one target, for y = x Wᵀ + b + s · x Aᵀ Bᵀ. Tensors are fp32 on
/// <see cref="InitializationContext.Device"/>, belong to the dispose scope of whoever called the strategy, and are copied from there.
/// </summary>
/// <param name="A">[r, in], the factor that reads the layer's input.</param>
/// <param name="B">[out, r], the factor that writes its output.</param>
public sealed record InitializedAdapter(Tensor A, Tensor B)
{
    /// <summary>The middle factor N [r, r] of three-matrix methods: the product is B·N·A; null elsewhere.</summary>
    public Tensor? N { get; init; }

    /// <summary>Whether W − s·B·A takes W's place, so that the model starts with its own function. The file then stores A and B as they started, not the changed base.</summary>
    public bool SubtractFromBase { get; init; }

    /// <summary>A base weight [out, in] that replaces W outright (a quantised base); null elsewhere. The file stores it whole.</summary>
    public Tensor? ReplacementBase { get; init; }

    /// <summary>Whether A stays as it is while the rest is trained.</summary>
    public bool FreezeA { get; init; }

    /// <summary>Whether B stays as it is while the rest is trained.</summary>
    public bool FreezeB { get; init; }

    /// <summary>The alpha that goes with a rank chosen by the data; null keeps the target's.</summary>
    public double? Alpha { get; init; }

    /// <summary>r: as asked for, or as the data chose. 0 leaves the layer without an adapter.</summary>
    public int Rank => (int)A.shape[0];
}
