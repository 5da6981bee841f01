using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization;

/// <summary>
/// What a strategy may ask for. Each costly thing is computed on first use, once, for all targets together, on the
/// training device.
/// </summary>
internal abstract class InitializationContext
{
    /// <summary>The layers to initialise, in the model's order.</summary>
    public abstract IReadOnlyList<AdapterTarget> Targets { get; }

    public abstract Device Device { get; }

    public abstract int Seed { get; }

    public abstract CancellationToken CancellationToken { get; }

    /// <summary>W of the target, fp32 [out, in], whatever precision the base is held in; of a base in 4 bits what that stands for.</summary>
    public abstract Tensor Weight(AdapterTarget target);

    /// <summary>W as it was before the base was quantised, fp32 [out, in]; the same as <see cref="Weight"/> elsewhere.</summary>
    public virtual Tensor OriginalWeight(AdapterTarget target) => Weight(target);

    /// <summary>SHA-256 of the base, for caches.</summary>
    public abstract string BaseSha256 { get; }

    /// <summary>b of the target, fp32 [out]; null where the layer has none.</summary>
    public virtual Tensor? Bias(AdapterTarget target) => null;

    /// <summary>
    /// Passes over (up to <paramref name="batches"/> batches of) the training rows, each in an order of its own.
    /// <paramref name="visit"/> gets each target's input on the batch; it returns false to end all passes.
    /// </summary>
    /// <exception cref="InvalidOperationException">There is no training data in this context.</exception>
    public abstract void VisitActivations(int batchSize, int? batches, int passes, ActivationVisitor visit);

    /// <summary>One pass, for those who need not know where a row ends.</summary>
    public void VisitActivations(int batchSize, int? batches, Func<AdapterTarget, Tensor, bool> visit) =>
        VisitActivations(batchSize, batches, 1, (target, x, _) => visit(target, x));

    /// <summary>
    /// The gradient of the mean training loss with respect to each target's W, fp32 [out, in], averaged over the batches;
    /// with the model's dropout where <paramref name="dropout"/> says so.
    /// </summary>
    /// <exception cref="InvalidOperationException">There is no training data in this context.</exception>
    public abstract IReadOnlyDictionary<string, Tensor> Gradients(int batchSize, int batches, bool dropout);

    /// <summary>
    /// Trains plain LoRA of another rank on the targets for some steps and returns its factors by module name; model,
    /// head and optimiser are as before afterwards.
    /// </summary>
    public abstract IReadOnlyDictionary<string, (Tensor A, Tensor B)> Preheat(int rank, double alpha, int steps, double learningRate, int batchSize);

    /// <summary>Tells the run's progress and throws when it was cancelled.</summary>
    public abstract void Report(string message, long step, long total);

    /// <summary>Leaves a sentence in the run's log, for what people should know of the result.</summary>
    public virtual void Log(string message)
    {
    }

    /// <summary>Tells the run's log of something that it can do without.</summary>
    public abstract void Warn(string message);

    /// <summary>
    /// A generator for one purpose on one target. It depends on the seed and the names alone, so draws do not change with
    /// the order of layers or with what else is initialised. It draws on the CPU, whatever <see cref="Device"/> is (the
    /// only place TorchSharp, 0.107.0 too, has generators), so that a seed means the same numbers on every device.
    /// </summary>
    public Generator Random(AdapterTarget target, string purpose) => Random(target, purpose, Seed);

    /// <summary>As <see cref="Random(AdapterTarget, string)"/>, with a seed of the caller's.</summary>
    public static Generator Random(AdapterTarget target, string purpose, int seed) =>
        new(SeededRandom.Hash(seed, $"{target.ModuleName}/{purpose}"), CPU);
}

/// <summary>Looks at one layer's input on one batch.</summary>
/// <param name="target">The layer.</param>
/// <param name="x">Its input, fp32 [tokens, in], row after row, padding left out.</param>
/// <param name="lengths">The tokens of each row.</param>
/// <returns>Whether to go on.</returns>
internal delegate bool ActivationVisitor(AdapterTarget target, Tensor x, IReadOnlyList<int> lengths);
