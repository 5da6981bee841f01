using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

public abstract partial record FineTuningMethod
{
    /// <summary>One normed bottleneck behind each layer. See <see cref="LinMethod"/>.</summary>
    /// <param name="size">Inner width of each bottleneck.</param>
    /// <param name="skip">How many of the first layers have none (AdapterDrop).</param>
    public static FineTuningMethod Lin(int size = 64, int skip = 0) => new LinMethod(size, skip);
}

/// <summary>
/// The adapter of Lin, Madotto and Fung (arXiv 2004.03829), which the LoRA paper calls Adapter-L: behind every layer
/// y = x + U relu(D norm(x) + d) + u with a norm of its own, D [m, hidden], U [hidden, m]; the base stays frozen. U starts at zero, so
/// the model starts with its own function; D ~ N(0, <c>initializer_range</c>).
/// </summary>
/// <remarks>
/// Form and place are those of zlinao/VGLM at 39e094f, pytorch_transformers/modeling_gpt2.py: the adapter is the last thing of a block.
/// That model normalises before its sublayers; here x is what RoBERTa's last norm of the layer gives. The name on the command line may
/// be <c>adapter-l</c> too.
/// </remarks>
public sealed record LinMethod : BottleneckMethod
{
    /// <param name="size">Inner width of each bottleneck.</param>
    /// <param name="skip">How many of the first layers have none.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is below 1, or skip below 0.</exception>
    public LinMethod(int size = 64, int skip = 0)
        : base(size, skip)
    {
    }

    /// <inheritdoc/>
    public override string Name => "lin";

    internal override BottleneckPlacement Bottlenecks => new(Size, [BottleneckPlace.Layer], Skip);
}
