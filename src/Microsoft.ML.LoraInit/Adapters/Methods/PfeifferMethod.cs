using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>One bottleneck a layer. See <see cref="PfeifferMethod"/>.</summary>
    /// <param name="size">Inner width of each bottleneck.</param>
    /// <param name="skip">How many of the first layers have none (AdapterDrop).</param>
    public static FineTuningMethod Pfeiffer(int size = 64, int skip = 0) => new PfeifferMethod(size, skip);
}

/// <summary>
/// Pfeiffer's adapters (arXiv 2005.00247): one bottleneck after the feed-forward sublayer of every layer, before the
/// residual; everything else of the base stays frozen. The model starts with its own function.
/// </summary>
public sealed record PfeifferMethod : BottleneckMethod
{
    /// <param name="size">Inner width of each bottleneck.</param>
    /// <param name="skip">How many of the first layers have none.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is below 1, or skip below 0.</exception>
    public PfeifferMethod(int size = 64, int skip = 0)
        : base(size, skip)
    {
    }

    /// <inheritdoc/>
    public override string Name => "pfeiffer";

    internal override BottleneckPlacement Bottlenecks => new(Size, [BottleneckPlace.Output], Skip);
}
