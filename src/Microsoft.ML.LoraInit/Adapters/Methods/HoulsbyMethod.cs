using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>Two bottlenecks a layer. See <see cref="HoulsbyMethod"/>.</summary>
    /// <param name="size">Inner width of each bottleneck.</param>
    /// <param name="skip">How many of the first layers have none (AdapterDrop).</param>
    public static FineTuningMethod Houlsby(int size = 64, int skip = 0) => new HoulsbyMethod(size, skip);
}

/// <summary>
/// Houlsby's adapters (arXiv 1902.00751): a bottleneck after the attention and one after the feed-forward sublayer of
/// every layer, each before the residual; the layers' norms are trained with them. The model starts with its own
/// function.
/// </summary>
public sealed record HoulsbyMethod : BottleneckMethod
{
    /// <param name="size">Inner width of each bottleneck.</param>
    /// <param name="skip">How many of the first layers have none, and keep their norms frozen.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is below 1, or skip below 0.</exception>
    public HoulsbyMethod(int size = 64, int skip = 0)
        : base(size, skip)
    {
    }

    /// <inheritdoc/>
    public override string Name => "houlsby";

    internal override BottleneckPlacement Bottlenecks => new(Size, [BottleneckPlace.Attention, BottleneckPlace.Output], Skip);

    internal override bool TrainsBase(string parameterName, IReadOnlySet<string> adapted) =>
        parameterName.StartsWith(RobertaNames.Encoder, StringComparison.Ordinal) && parameterName.Contains("LayerNorm", StringComparison.Ordinal)
        && Bottlenecks.Reaches(parameterName);
}
