using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// Draws the dropout masks of one step, from a seed alone: the global random state is neither read nor changed, and a
/// step can be repeated without storing any state.
/// </summary>
internal abstract class DropoutSource : IDisposable
{
    /// <summary>A mask of x's shape, type and device: 1/keep with probability keep, else 0 (inverted dropout).</summary>
    public abstract Tensor Mask(Tensor x, double keep);

    public abstract void Dispose();
}
