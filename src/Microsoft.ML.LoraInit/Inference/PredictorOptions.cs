using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>How rows are batched for scoring. The scores do not depend on it, up to rounding.</summary>
internal sealed record PredictorOptions
{
    // A CPU's caches hold the activations of about this many tokens; larger batches wait for memory.
    private const int CpuTokens = 1024, CudaTokens = 16384;

    // What the calls of a batch cost, in tokens: little on a CPU, on a GPU as much as the tokens of a full batch of short rows.
    private const int CpuBatchCost = 48, CudaBatchCost = 2048;

    /// <summary>Tokens a batch at most, padding included: bounds the memory of a batch. Null for the device's own.</summary>
    public int? MaxTokensPerBatch { get; init; }

    /// <summary>Whether rows are scored by a <c>CpuEncoder</c>, in fp32 on a CPU that its vector code serves, and not with tensors.</summary>
    public bool ScoresOnHost { get; init; }

    /// <summary>Threads that score on the CPU at most, all calls together; with tensors torch's own settings count.</summary>
    public int CpuThreads { get; init; } = Environment.ProcessorCount;

    /// <summary>What comes of a row: a vector made so, or its logits where it is null.</summary>
    public SentencePooling? Pooling { get; init; }

    /// <summary>How rows that are asked for one by one are gathered.</summary>
    public BatchingOptions Batching { get; init; } = new();

    public int TokensPerBatch(Device device) => MaxTokensPerBatch ?? (device.type == DeviceType.CPU ? CpuTokens : CudaTokens);

    /// <summary>A batch's fixed cost in tokens.</summary>
    public static int BatchCost(Device device) => device.type == DeviceType.CPU ? CpuBatchCost : CudaBatchCost;
}

/// <summary>How single rows of concurrent callers are gathered into one batch.</summary>
internal sealed record BatchingOptions
{
    /// <summary>Rows a batch at most; 1 for no gathering.</summary>
    public int MaxBatch { get; init; } = 64;

    /// <summary>How long a row waits for others while the model is idle.</summary>
    public TimeSpan MaxWait { get; init; } = TimeSpan.Zero;

    /// <summary>Batches at a time.</summary>
    public int MaxConcurrency { get; init; } = 1;

    /// <summary>
    /// One batch at a time on a GPU. On a CPU as many as keep all cores busy: with torch's default of a thread a core in every
    /// operation that is one; with one thread an operation it is a batch a core.
    /// </summary>
    public static int DefaultConcurrency(Device device) =>
        device.type == DeviceType.CPU ? Math.Max(1, Environment.ProcessorCount / Math.Max(1, get_num_threads())) : 1;
}
