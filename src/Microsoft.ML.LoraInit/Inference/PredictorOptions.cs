namespace Microsoft.ML.LoraInit.Inference;

/// <summary>How rows are batched for scoring. The scores do not depend on it, up to rounding.</summary>
internal sealed record PredictorOptions
{
    /// <summary>Rows a batch at most.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>Tokens a batch at most, padding included: bounds the memory of a batch of long rows.</summary>
    public int MaxTokensPerBatch { get; init; } = 8192;
}
