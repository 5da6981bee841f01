using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Two bottlenecks a layer. See <see cref="HoulsbyMethod"/>.</summary>
    /// <param name="size">Inner width of each bottleneck.</param>
    public static FineTuningMethod Houlsby(int size = 64) => new HoulsbyMethod(size);
}

/// <summary>
/// Houlsby's adapters (arXiv 1902.00751): a bottleneck after the attention and one after the feed-forward sublayer of
/// every layer, each before the residual; the layers' norms are trained with them. The model starts with its own
/// function.
/// </summary>
public sealed record HoulsbyMethod : BottleneckMethod
{
    /// <param name="size">Inner width of each bottleneck.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is below 1.</exception>
    public HoulsbyMethod(int size = 64)
        : base(size)
    {
    }

    /// <inheritdoc/>
    public override string Name => "houlsby";

    internal override BottleneckPlacement Bottlenecks => new(Size, AfterAttention: true);

    internal override bool TrainsBase(string parameterName, IReadOnlySet<string> adapted) =>
        parameterName.StartsWith(RobertaNames.Encoder, StringComparison.Ordinal) && parameterName.Contains("LayerNorm", StringComparison.Ordinal);
}
