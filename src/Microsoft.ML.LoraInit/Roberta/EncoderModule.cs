namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>The linear layers of a block, in its order.</summary>
internal enum EncoderModule
{
    Query,
    Key,
    Value,
    AttentionOutput,
    Intermediate,
    Output,
}
