using Microsoft.ML.LoraInit.Roberta.Fused;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// Draws the dropout masks of one step, from a seed alone: the global random state is neither read nor changed, and a
/// step can be repeated without storing any state.
/// </summary>
internal abstract class DropoutSource : IDisposable
{
    /// <summary>The source for a device.</summary>
    /// <remarks>A hash: TorchSharp, 0.107.0 too, makes CPU generators only, whatever device it is asked for, and those are slower.</remarks>
    public static DropoutSource Create(ulong seed, Device device) => KernelDropout.FromSeed(seed, device);

    /// <summary>A mask of x's shape, type and device: 1/keep with probability keep, else 0 (inverted dropout).</summary>
    public abstract Tensor Mask(Tensor x, double keep);

    public abstract void Dispose();
}
