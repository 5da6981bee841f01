using Microsoft.ML.LoraInit.Inference;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// How a trained model scores: <see cref="LoraTextTransformer.Scoring"/>. None of it is saved with the model, since it belongs to
/// the machine that scores.
/// </summary>
/// <remarks>
/// <para>
/// Rows that several <c>PredictionEngine</c>s (a <c>PredictionEnginePool</c>) ask for at the same time are scored in one forward
/// pass. A row that finds the model idle is scored at once; rows that arrive meanwhile are gathered until it is free. Scores
/// are those of single rows, within 1e-6 in fp32 on a CPU.
/// </para>
/// <para>
/// On a CPU every operation uses as many threads as torch is set to, by default one a core. That suits <c>Transform</c>. For
/// many small requests, one thread an operation and one request a core is usually better: set <see cref="CpuThreads"/> to 1, or
/// the environment variable <c>OMP_NUM_THREADS</c> before the process starts.
/// </para>
/// </remarks>
public sealed record ScoringOptions
{
    /// <summary>
    /// Precision of the encoder; null (the default) for the one that the model was trained with. bf16 halves memory and is fast on
    /// GPUs with tensor cores. The head is fp32 always. On a CPU bf16 saves memory alone.
    /// </summary>
    public Precision? Precision { get; init; }

    /// <summary>Rows of concurrent engines in one forward pass at most. Default 64; 1 scores every row by itself.</summary>
    public int MaxGatheredRows { get; init; } = 64;

    /// <summary>
    /// How long a row waits for others although the model is idle, from 0 (the default, no waiting) to a minute. A little raises the
    /// throughput of many engines on a GPU and costs every row that time at most.
    /// </summary>
    public TimeSpan MaxWait { get; init; } = TimeSpan.Zero;

    /// <summary>
    /// Forward passes of gathered rows at a time. Null (the default): 1 on a GPU; on a CPU the number of cores divided by the threads of
    /// an operation.
    /// </summary>
    public int? MaxConcurrentBatches { get; init; }

    /// <summary>Tokens a forward pass at most, padding included; bounds its memory. Null (the default): 1,024 on a CPU, 16,384 on a GPU.</summary>
    public int? MaxTokensPerBatch { get; init; }

    /// <summary>
    /// Threads of an operation on the CPU, or null (the default) to leave them alone. This is torch's own setting
    /// (<c>torch.set_num_threads</c>) and holds for the whole process from the assignment on.
    /// </summary>
    public int? CpuThreads { get; init; }

    /// <exception cref="ArgumentException">An option is out of range.</exception>
    internal void Check()
    {
        Range(Precision is null || Enum.IsDefined(Precision.Value), nameof(Precision), Precision, "choose Auto, Float32 or BFloat16, or null for the model's own");
        Range(MaxGatheredRows >= 1, nameof(MaxGatheredRows), MaxGatheredRows, "use at least 1, which scores every row by itself");
        Range(MaxWait >= TimeSpan.Zero && MaxWait <= TimeSpan.FromMinutes(1), nameof(MaxWait), MaxWait, "use zero for no waiting, or a minute at most");
        Range(MaxConcurrentBatches is null or >= 1, nameof(MaxConcurrentBatches), MaxConcurrentBatches, "use at least 1, or null for the default");
        Range(MaxTokensPerBatch is null or >= 1, nameof(MaxTokensPerBatch), MaxTokensPerBatch, "use at least 1, or null for the default");
        Range(CpuThreads is null or >= 1, nameof(CpuThreads), CpuThreads, "use at least 1, or null to leave torch's setting");
    }

    internal PredictorOptions ForPredictor(Device device) => new()
    {
        MaxTokensPerBatch = MaxTokensPerBatch,
        Batching = new()
        {
            MaxBatch = MaxGatheredRows,
            MaxWait = MaxWait,
            MaxConcurrency = MaxConcurrentBatches ?? BatchingOptions.DefaultConcurrency(device),
        },
    };

    private static void Range<T>(bool good, string option, T value, string advice)
    {
        if (!good)
            throw new ArgumentException($"{option} = {value}: {advice}.");
    }
}
