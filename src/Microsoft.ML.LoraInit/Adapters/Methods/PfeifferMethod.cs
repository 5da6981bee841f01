using Microsoft.ML.LoraInit.Adapters;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>One bottleneck a layer. See <see cref="PfeifferMethod"/>.</summary>
    /// <param name="size">Inner width of each bottleneck.</param>
    public static FineTuningMethod Pfeiffer(int size = 64) => new PfeifferMethod(size);
}

/// <summary>
/// Pfeiffer's adapters (arXiv 2005.00247): one bottleneck after the feed-forward sublayer of every layer, before the
/// residual; everything else of the base stays frozen. The model starts with its own function.
/// </summary>
public sealed record PfeifferMethod : BottleneckMethod
{
    /// <param name="size">Inner width of each bottleneck.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is below 1.</exception>
    public PfeifferMethod(int size = 64)
        : base(size)
    {
    }

    /// <inheritdoc/>
    public override string Name => "pfeiffer";

    internal override BottleneckPlacement Bottlenecks => new(Size, AfterAttention: false);
}
