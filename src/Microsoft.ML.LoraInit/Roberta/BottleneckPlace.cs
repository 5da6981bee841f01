namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>A place in a layer where a bottleneck may sit.</summary>
internal enum BottleneckPlace
{
    /// <summary>After the attention sublayer, before its residual.</summary>
    Attention,

    /// <summary>After the feed-forward sublayer, before its residual.</summary>
    Output,

    /// <summary>Behind the layer, with a norm of its own.</summary>
    Layer,
}
