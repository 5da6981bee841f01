using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>Token ids on the compute device, right-padded to one length.</summary>
/// <param name="InputIds">Int64 [batch, length].</param>
/// <param name="AttentionMask">Bool [batch, length], true on tokens; null where no row is padded, which lets attention run unmasked.</param>
internal sealed record EncodedBatch(Tensor InputIds, Tensor? AttentionMask)
{
    public long Rows => InputIds.shape[0];

    public long Length => InputIds.shape[1];
}
