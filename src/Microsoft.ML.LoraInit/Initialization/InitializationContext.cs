using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// What a strategy may ask for. Each costly thing is computed on first use, once, for all targets together, on the
/// training device. The library's own context answers over the real model and its training rows; a strategy can be tried out with
/// one derived from this class.
/// </summary>
/// <remarks>
/// Tensors are fp32 on <see cref="Device"/>. Unless a member says otherwise they are copies that belong to the caller's dispose scope, so
/// that changing them in place is safe. A context lives as long as the call of <see cref="LoraInitialization.Initialize"/>, on one thread.
/// </remarks>
public abstract class InitializationContext
{
    /// <summary>For contexts of this library, and for tests of strategies.</summary>
    protected InitializationContext()
    {
    }

    /// <summary>The layers to initialise, in the model's order.</summary>
    public abstract IReadOnlyList<AdapterTarget> Targets { get; }

    /// <summary>Where the model is trained, and where results belong.</summary>
    public abstract Device Device { get; }

    /// <summary>The run's seed: the option's, or ML.NET's. Everything random follows from it.</summary>
    public abstract int Seed { get; }

    /// <summary>Set when the run is to end; <see cref="Report"/> throws then.</summary>
    public abstract CancellationToken CancellationToken { get; }

    /// <summary>W of the target, fp32 [out, in], whatever precision the base is held in; of a base in 4 bits what that stands for. A copy of out · in numbers, in the caller's scope.</summary>
    public abstract Tensor Weight(AdapterTarget target);

    /// <summary>W as it was before the base was quantised, fp32 [out, in]; the same as <see cref="Weight"/> elsewhere.</summary>
    public virtual Tensor OriginalWeight(AdapterTarget target) => Weight(target);

    /// <summary>SHA-256 of the base, for caches.</summary>
    public abstract string BaseSha256 { get; }

    /// <summary>What the base is held in, whose rounding <see cref="Weight"/> has; for caches.</summary>
    internal virtual ScalarType WeightType => ScalarType.Float32;

    /// <summary>b of the target, fp32 [out]; null where the layer has none.</summary>
    public virtual Tensor? Bias(AdapterTarget target) => null;

    /// <summary>
    /// Passes over (up to <paramref name="batches"/> batches of) the training rows, each in an order of its own, without dropout.
    /// <paramref name="visit"/> gets each target's input on the batch; it returns false to end all passes. Costs a forward pass a batch.
    /// </summary>
    /// <param name="batchSize">Rows a batch.</param>
    /// <param name="batches">Batches a pass; null for all rows.</param>
    /// <param name="passes">How often to go over them.</param>
    /// <param name="visit">Called for each target on each batch.</param>
    /// <exception cref="InvalidOperationException">There is no training data in this context.</exception>
    public abstract void VisitActivations(int batchSize, int? batches, int passes, ActivationVisitor visit);

    /// <summary>One pass, for those who need not know where a row ends.</summary>
    /// <param name="batchSize">Rows a batch.</param>
    /// <param name="batches">Batches; null for all rows.</param>
    /// <param name="visit">Gets a target and its input, fp32 [tokens, in]; see <see cref="ActivationVisitor"/>. Returns whether to go on.</param>
    /// <exception cref="InvalidOperationException">There is no training data in this context.</exception>
    public void VisitActivations(int batchSize, int? batches, Func<AdapterTarget, Tensor, bool> visit) =>
        VisitActivations(batchSize, batches, 1, (target, x, _) => visit(target, x));

    /// <summary>
    /// The gradient of the mean training loss with respect to each target's W, fp32 [out, in], averaged over the batches;
    /// with the model's dropout where <paramref name="dropout"/> says so. By module name. The tensors stay this context's: do not change
    /// or dispose them. Costs a forward and backward pass a batch, and out · in numbers a target.
    /// </summary>
    /// <param name="batchSize">Rows a batch.</param>
    /// <param name="batches">Batches; no more than one pass over the rows.</param>
    /// <param name="dropout">Whether the model's dropout is on.</param>
    /// <exception cref="InvalidOperationException">There is no training data in this context.</exception>
    public abstract IReadOnlyDictionary<string, Tensor> Gradients(int batchSize, int batches, bool dropout);

    /// <summary>
    /// Trains plain LoRA of another rank on the targets for some steps and returns its factors by module name; model,
    /// head and optimiser are as before afterwards.
    /// </summary>
    /// <param name="rank">Its rank.</param>
    /// <param name="alpha">Its alpha.</param>
    /// <param name="steps">Optimiser steps.</param>
    /// <param name="learningRate">Their rate.</param>
    /// <param name="batchSize">Rows a step.</param>
    /// <returns>By module name A [rank, in] and B [out, rank], in the caller's scope.</returns>
    /// <exception cref="InvalidOperationException">There is no training data in this context.</exception>
    public abstract IReadOnlyDictionary<string, (Tensor A, Tensor B)> Preheat(int rank, double alpha, int steps, double learningRate, int batchSize);

    /// <summary>Tells the run's progress and throws when it was cancelled.</summary>
    /// <param name="message">What is being done.</param>
    /// <param name="step">How much of it is done.</param>
    /// <param name="total">How much there is to do.</param>
    /// <exception cref="OperationCanceledException">The run is to end.</exception>
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
    /// only place TorchSharp, 0.107.0 too, has generators), so that a seed means the same numbers on every device. The caller disposes it.
    /// </summary>
    public Generator Random(AdapterTarget target, string purpose) => Random(target, purpose, Seed);

    /// <summary>As <see cref="Random(AdapterTarget, string)"/>, with a seed of the caller's.</summary>
    public static Generator Random(AdapterTarget target, string purpose, int seed) =>
        new(SeededRandom.Hash(seed, $"{target.ModuleName}/{purpose}"), CPU);
}

/// <summary>Looks at one layer's input on one batch.</summary>
/// <param name="target">The layer.</param>
/// <param name="x">Its input, fp32 [tokens, in], row after row, padding left out. The same object for targets with one input (query, key, value). It is not to be changed,
/// and is freed after the call: clone and detach from every scope what is to be kept.</param>
/// <param name="lengths">The tokens of each row.</param>
/// <returns>Whether to go on.</returns>
public delegate bool ActivationVisitor(AdapterTarget target, Tensor x, IReadOnlyList<int> lengths);
