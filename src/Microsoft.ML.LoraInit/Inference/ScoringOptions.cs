using Microsoft.ML.LoraInit.Cpu;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Options;
using TorchSharp;
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
/// are those of single rows: to the last bit in fp32 on a CPU with AVX2, within 1e-6 in fp32 elsewhere.
/// </para>
/// <para>
/// On a CPU with AVX2, fp32 is computed by this library's own vector code and no native library. Calls that run at the same time
/// share the cores; a call that runs alone has them all, where there is enough to compute. <c>Transform</c> computes a batch a core.
/// </para>
/// <para>
/// On other CPUs (ARM64, x64 without AVX2) fp32 is computed by tensors as bf16 is, with torch's threads.
/// </para>
/// </remarks>
public sealed record ScoringOptions
{
    /// <summary>
    /// Precision of the encoder; null (the default) for the one that the model was trained with. bf16 halves memory and is fast on
    /// GPUs with tensor cores. The head is fp32 always. On a CPU bf16 saves memory alone.
    /// </summary>
    public Precision? Precision { get; init; }

    /// <summary>
    /// Computes the encoder's products in 8-bit integers (dynamic quantisation: weights by column, activations by batch), on a CPU alone,
    /// by ONNX Runtime: the application references the packages Microsoft.ML.LoraInit.OnnxRuntime and Microsoft.ML.OnnxRuntime. A quarter of
    /// the memory for their weights, and faster than fp32 where the processor has VNNI or AMX; probabilities change by a few
    /// thousandths, and a little with the rows that are scored together. Default false.
    /// </summary>
    /// <remarks>Explanations are of the weights before rounding, which are merged for each of them.</remarks>
    public bool Int8 { get; init; }

    /// <summary>Rows of concurrent engines in one forward pass at most. Default 64; 1 scores every row by itself.</summary>
    public int MaxGatheredRows { get; init; } = 64;

    /// <summary>
    /// How long a row waits for others although the model is idle, from 0 (the default, no waiting) to a minute. A little raises the
    /// throughput of many engines on a GPU and costs every row that time at most.
    /// </summary>
    public TimeSpan MaxWait { get; init; } = TimeSpan.Zero;

    /// <summary>
    /// Forward passes of gathered rows at a time. Null (the default): 1 on a GPU; on a CPU <see cref="CpuThreads"/>, or as many as there are
    /// cores (by tensors: divided by torch's threads an operation).
    /// </summary>
    public int? MaxConcurrentBatches { get; init; }

    /// <summary>Tokens a forward pass at most, padding included; bounds its memory. Null (the default): 256 on a CPU (1,024 by tensors), 16,384 on a GPU.</summary>
    public int? MaxTokensPerBatch { get; init; }

    /// <summary>
    /// Threads that score on the CPU at most, or null (the default) for as many as the environment variable <c>OMP_NUM_THREADS</c> says when
    /// the model is loaded, else one a core. Setting it also sets torch's own threads an
    /// operation (<c>torch.set_num_threads</c>), which holds for the whole process from the assignment on.
    /// </summary>
    public int? CpuThreads { get; init; }

    /// <summary>
    /// The threads of models in this process whose <see cref="CpuThreads"/> is null; null (the default) for what the environment
    /// variable <c>OMP_NUM_THREADS</c> says, else every core. For programs that take the number from their command line; set it before
    /// models are made.
    /// </summary>
    public static int? ProcessThreads { get; set; }

    /// <summary>Threads that score, given what an option says. The variable that limits torch's threads, and every other library's, limits these.</summary>
    internal static int Threads(int? option) => option ?? ProcessThreads ?? (
        int.TryParse(Environment.GetEnvironmentVariable("OMP_NUM_THREADS"), out int threads) && threads > 0 ? threads : Environment.ProcessorCount);

    /// <exception cref="ArgumentException">An option is out of range.</exception>
    internal void Check()
    {
        Range(Precision is null || Enum.IsDefined(Precision.Value), nameof(Precision), Precision, "choose Auto, Float32 or BFloat16, or null for the model's own");
        Range(MaxGatheredRows >= 1, nameof(MaxGatheredRows), MaxGatheredRows, "use at least 1, which scores every row by itself");
        Range(MaxWait >= TimeSpan.Zero && MaxWait <= TimeSpan.FromMinutes(1), nameof(MaxWait), MaxWait, "use zero for no waiting, or a minute at most");
        Range(MaxConcurrentBatches is null or >= 1, nameof(MaxConcurrentBatches), MaxConcurrentBatches, "use at least 1, or null for the default");
        Range(MaxTokensPerBatch is null or >= 1, nameof(MaxTokensPerBatch), MaxTokensPerBatch, "use at least 1, or null for the default");
        Range(CpuThreads is null or >= 1, nameof(CpuThreads), CpuThreads, "use at least 1, or null for one a core");
        Range(!Int8 || Precision is not LoraInit.Precision.BFloat16, nameof(Int8), Int8, "8 bits exclude Precision = BFloat16; set one of the two");
    }

    /// <exception cref="ArgumentException">The device does not offer what was chosen.</exception>
    internal void Check(Device device) =>
        Range(!Int8 || device.type == DeviceType.CPU, nameof(Int8), Int8, $"8 bits are for CPUs and the model is on {device}; use Precision = BFloat16 there");

    /// <summary>The type of the merged weights.</summary>
    /// <param name="trained">The precision that the model was trained with.</param>
    /// <param name="device">Where to score.</param>
    internal ScalarType WeightType(Precision trained, Device device) =>
        ComputeDevice.BaseType(Precision ?? trained, device);

    /// <param name="type">The type of the merged weights.</param>
    /// <param name="device">Where they are.</param>
    internal PredictorOptions ForPredictor(ScalarType type, Device device)
    {
        int threads = Threads(CpuThreads);
        bool onHost = VectorKernels.Serve && device.type == DeviceType.CPU && type == ScalarType.Float32;
        return new()
        {
            MaxTokensPerBatch = MaxTokensPerBatch,
            ScoresOnHost = onHost,
            CpuThreads = threads,
            Batching = new()
            {
                MaxBatch = MaxGatheredRows,
                MaxWait = MaxWait,
                MaxConcurrency = MaxConcurrentBatches ?? (onHost || Int8 ? threads : BatchingOptions.DefaultConcurrency(device)),
            },
        };
    }

    private static void Range<T>(bool good, string option, T value, string advice)
    {
        if (!good)
            throw new ArgumentException($"{option} = {value}: {advice}.");
    }
}
