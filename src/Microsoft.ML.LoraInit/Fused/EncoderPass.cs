using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>What the layers of one training pass share.</summary>
/// <param name="Batch">Rows.</param>
/// <param name="Length">Tokens a row, padding included.</param>
/// <param name="Lengths">Int64 [batch], tokens a row without padding; null where no row is padded.</param>
/// <param name="Mask">The same as bool [batch, 1, 1, length].</param>
/// <param name="Seed">Int64 [1] on the device, for dropout; null without.</param>
internal sealed record EncoderPass(int Batch, int Length, Tensor? Lengths, Tensor? Mask, Tensor? Seed)
{
    private const int MasksALayer = 4;

    /// <summary>Masks of the layers are numbered from here; below are those of embeddings and head.</summary>
    private const int FirstLayerMask = 16;

    /// <summary>The mask on the attention probabilities of a layer.</summary>
    public DropoutMask OnAttention(int layer, double probability) => Of(layer, 0, probability);

    /// <summary>The mask on what the attention sublayer adds.</summary>
    public DropoutMask OnAttentionOutput(int layer, double probability) => Of(layer, 1, probability);

    /// <summary>The mask on what the feed-forward sublayer adds.</summary>
    public DropoutMask OnOutput(int layer, double probability) => Of(layer, 2, probability);

    private DropoutMask Of(int layer, int which, double probability) =>
        probability > 0 && Seed is not null ? new(Seed, FirstLayerMask + MasksALayer * layer + which, 1 - probability) : DropoutMask.None;
}
