using Microsoft.ML.LoraInit.Inference;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// How a model scores in ONNX Runtime. A saved model keeps <see cref="Int8"/> alone, which is a matter of its weights; the rest belongs to
/// the machine that scores, and is set anew after loading (<see cref="OnnxTextTransformer.Scoring"/>).
/// </summary>
public sealed record OnnxScoringOptions
{
    /// <summary>
    /// Whether the encoder's products are computed in 8-bit integers (dynamic quantisation: weights by column, activations by batch): on a
    /// CPU alone. A quarter of the memory for their weights, and faster than fp32 where the processor has VNNI or AMX; probabilities
    /// change by a few thousandths. Default false.
    /// </summary>
    public bool Int8 { get; init; }

    /// <summary>What computes. Default: the processor.</summary>
    public OnnxExecutionProvider ExecutionProvider { get; init; }

    /// <summary>Which of the machine's GPUs, from 0 (the default); of no meaning to <see cref="OnnxExecutionProvider.Cpu"/> and <see cref="OnnxExecutionProvider.CoreML"/>.</summary>
    public int DeviceId { get; init; }

    /// <summary>Rows of concurrent engines in one forward pass at most. Default 64; 1 scores every row by itself.</summary>
    public int MaxGatheredRows { get; init; } = 64;

    /// <summary>How long a row waits for others although the model is idle, from 0 (the default, no waiting) to a minute.</summary>
    public TimeSpan MaxWait { get; init; } = TimeSpan.Zero;

    /// <summary>Forward passes of gathered rows at a time. Null (the default): 1 on a GPU, <see cref="CpuThreads"/> on a CPU.</summary>
    public int? MaxConcurrentBatches { get; init; }

    /// <summary>Tokens a forward pass at most, padding included; bounds its memory. Null (the default): 512 on a CPU, 16,384 on a GPU.</summary>
    public int? MaxTokensPerBatch { get; init; }

    /// <summary>
    /// Threads that score on the CPU at most (ONNX Runtime's intra-op threads), or null (the default) for as many as the environment
    /// variable <c>OMP_NUM_THREADS</c> says when the model is made or loaded, else one a core.
    /// </summary>
    public int? CpuThreads { get; init; }

    internal bool IsOnCpu => ExecutionProvider == OnnxExecutionProvider.Cpu;

    /// <exception cref="ArgumentException">An option is out of range, or two exclude each other.</exception>
    internal void Check()
    {
        Range(Enum.IsDefined(ExecutionProvider), nameof(ExecutionProvider), ExecutionProvider, $"choose one of {string.Join(", ", Enum.GetNames<OnnxExecutionProvider>())}");
        Range(!Int8 || IsOnCpu, nameof(Int8), Int8, $"8 bits are for CPUs; leave it false with ExecutionProvider = {ExecutionProvider}");
        Range(DeviceId >= 0, nameof(DeviceId), DeviceId, "GPUs are counted from 0");
        Range(MaxGatheredRows >= 1, nameof(MaxGatheredRows), MaxGatheredRows, "use at least 1, which scores every row by itself");
        Range(MaxWait >= TimeSpan.Zero && MaxWait <= TimeSpan.FromMinutes(1), nameof(MaxWait), MaxWait, "use zero for no waiting, or a minute at most");
        Range(MaxConcurrentBatches is null or >= 1, nameof(MaxConcurrentBatches), MaxConcurrentBatches, "use at least 1, or null for the default");
        Range(MaxTokensPerBatch is null or >= 1, nameof(MaxTokensPerBatch), MaxTokensPerBatch, "use at least 1, or null for the default");
        Range(CpuThreads is null or >= 1, nameof(CpuThreads), CpuThreads, "use at least 1, or null for one a core");
    }

    internal PredictorOptions ForPredictor()
    {
        int threads = ScoringOptions.Threads(CpuThreads);
        return new()
        {
            MaxTokensPerBatch = MaxTokensPerBatch,
            CpuThreads = threads,
            Batching = new() { MaxBatch = MaxGatheredRows, MaxWait = MaxWait, MaxConcurrency = MaxConcurrentBatches ?? (IsOnCpu ? threads : 1) },
        };
    }

    private static void Range<T>(bool good, string option, T value, string advice)
    {
        if (!good)
            throw new ArgumentException($"{option} = {value}: {advice}.");
    }
}
