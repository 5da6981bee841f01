using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>An adapter over the untouched base weight: W + s·B·A, or its DoRA form where there is a magnitude. fp32 on the CPU.</summary>
/// <param name="Target">The layer, with the rank and alpha of these factors.</param>
/// <param name="A">[r, in].</param>
/// <param name="B">[out, r].</param>
/// <param name="Magnitude">DoRA's m [out], or null.</param>
internal sealed record PlainAdapter(AdapterTarget Target, Tensor A, Tensor B, Tensor? Magnitude)
{
    /// <summary>The rank that was trained.</summary>
    public required int TrainedRank { get; init; }

    /// <summary>‖ΔW‖, Frobenius, of what training did to the layer; 0 where it did not have to be known.</summary>
    public double Norm { get; init; }

    /// <summary>‖ΔW − what these factors give‖, Frobenius; 0 where nothing was left out.</summary>
    public double Lost { get; init; }

    /// <summary>Whether the factors hold the trained change itself, up to rounding.</summary>
    public bool IsExact { get; init; } = true;

    /// <summary>The weight [out, in] of the layer with the adapter merged, in the caller's scope.</summary>
    /// <param name="weight">The untouched W, fp32 or wider.</param>
    public Tensor EffectiveWeight(Tensor weight)
    {
        var direction = weight.Add(B.to(weight.dtype).matmul(A.to(weight.dtype)), Target.Scaling);
        return Magnitude is null ? direction
            : direction * (Magnitude.to(weight.dtype) / DoraAdapter.Lengths(direction)).unsqueeze(1);
    }
}
