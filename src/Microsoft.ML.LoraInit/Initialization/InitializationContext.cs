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

    /// <summary>
    /// One pass over (up to <paramref name="batches"/> batches of) the training rows. <paramref name="visit"/> gets each
    /// target's input on the batch, fp32 [tokens, in], padding left out; it returns false to end the pass.
    /// </summary>
    /// <exception cref="InvalidOperationException">There is no training data in this context.</exception>
    public abstract void VisitActivations(int batchSize, int? batches, Func<AdapterTarget, Tensor, bool> visit);

    /// <summary>
    /// The gradient of the mean training loss with respect to each target's W, fp32 [out, in], averaged over the batches.
    /// </summary>
    /// <exception cref="InvalidOperationException">There is no training data in this context.</exception>
    public abstract IReadOnlyDictionary<string, Tensor> Gradients(int batchSize, int batches);

    /// <summary>
    /// Trains plain LoRA of another rank on the targets for some steps and returns its factors by module name; model,
    /// head and optimiser are as before afterwards.
    /// </summary>
    public abstract IReadOnlyDictionary<string, (Tensor A, Tensor B)> Preheat(int rank, double alpha, int steps, double learningRate, int batchSize);

    /// <summary>Tells the run's progress and throws when it was cancelled.</summary>
    public abstract void Report(string message, long step, long total);

    /// <summary>
    /// A generator for one purpose on one target. It depends on the seed and the names alone, so draws do not change with
    /// the order of layers or with what else is initialised. It draws on the CPU, whatever <see cref="Device"/> is (the
    /// only place TorchSharp, 0.107.0 too, has generators), so that a seed means the same numbers on every device.
    /// </summary>
    public Generator Random(AdapterTarget target, string purpose) =>
        new(SeededRandom.Hash(Seed, $"{target.ModuleName}/{purpose}"), CPU);
}
