using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>
/// What a method does around the optimiser's steps of one run: what it draws before a step, adds to the loss, changes between clipping
/// and the update, and does afterwards. Whatever it carries along is in <see cref="State"/>, which checkpoints hold.
/// </summary>
/// <remarks>
/// A step calls, on the main device's thread: <see cref="BeforeStep"/>, the passes over its batches, <see cref="Penalty"/> (whose gradient
/// is added), clipping, <see cref="BeforeUpdate"/>, AdamW, <see cref="AfterUpdate"/>. Passes may be recorded and replayed: what changes
/// from step to step must lie in tensors that stay in place, or <see cref="PassesMayBeRecorded"/> be false. Parameters that are
/// <see cref="Parameter.MovedByMethod"/> are for <see cref="BeforeUpdate"/> to move; those that <see cref="Parameter.Rests"/> get no gradient.
/// </remarks>
internal abstract class MethodHooks : IDisposable
{
    /// <summary>Tensors that a resumed run must find as they were, by name; owned by this, changed in place.</summary>
    public virtual IEnumerable<KeyValuePair<string, Tensor>> State => [];

    /// <summary>Called on the fresh hooks of a resumed run, before <see cref="State"/> is read back: only what a run has there is in the checkpoint.</summary>
    /// <param name="step">The next step.</param>
    public virtual void ResumeAt(long step)
    {
    }

    /// <summary>Whether the coming passes are like those before them, so that recordings serve; false while calls differ from step to step.</summary>
    public virtual bool PassesMayBeRecorded => true;

    /// <summary>Before the step's first pass.</summary>
    /// <param name="step">From 0.</param>
    public virtual void BeforeStep(long step)
    {
    }

    /// <summary>What is added to the step's mean loss: a scalar with its tape, of parameters that are bound; null for nothing.</summary>
    public virtual Tensor? Penalty() => null;

    /// <summary>With the step's gradient complete and clipped, before AdamW. Under no_grad.</summary>
    /// <param name="step">From 0.</param>
    /// <param name="learningRate">Of this step.</param>
    public virtual void BeforeUpdate(long step, double learningRate)
    {
    }

    /// <summary>After AdamW, when the gradient may be gone. Under no_grad.</summary>
    /// <param name="step">From 0.</param>
    /// <param name="learningRate">Of this step.</param>
    public virtual void AfterUpdate(long step, double learningRate)
    {
    }

    public virtual void Dispose()
    {
        foreach (var (_, tensor) in State)
            tensor.Dispose();
    }
}

/// <summary>The run that <see cref="MethodHooks"/> belong to.</summary>
/// <param name="Model">The model with its adapters on.</param>
/// <param name="Parameters">What is trained.</param>
/// <param name="Steps">Optimiser steps of the whole run.</param>
/// <param name="Seed">Of every draw.</param>
/// <param name="Settings">Rank and scale, as the trainer's options have them.</param>
internal sealed record MethodRun(RobertaClassifier Model, TrainableParameters Parameters, long Steps, int Seed, AdapterSettings Settings)
{
    /// <summary>AdamW's moments, aligned with what it updates, for what replaces numbers of these; the optimiser's own tensors, changed in place.</summary>
    public required (Tensor First, Tensor Second) Moments { get; init; }

    /// <summary>The loss of the model as its parameters are, on the same few rows each time: validation rows, or training rows where there are none.</summary>
    public required Func<double> Judge { get; init; }

    /// <summary>Classes that the model knew before; the head's first rows are theirs.</summary>
    public int KnownClasses { get; init; }

    /// <summary>AdamW's decoupled decay of a parameter, for methods that move it themselves; multiplied by the learning rate. Default none.</summary>
    public Func<Parameter, double> Decay { get; init; } = _ => 0;

    /// <summary>The model's adapters of a kind, in the model's order.</summary>
    public IReadOnlyList<T> Adapters<T>()
        where T : LinearAdapter => [.. Model.Linears.Select(l => l.Adapter).OfType<T>()];

    /// <summary>Where a trained parameter lies in the flat vector.</summary>
    /// <exception cref="InvalidOperationException">It is not trained.</exception>
    public FlatPlace Place(Parameter parameter) =>
        new(Parameters.Start(parameter) ?? throw new InvalidOperationException($"'{parameter.Name}' is not trained."), parameter.Shape);
}

/// <summary>A parameter's place in the flat vector of what is trained.</summary>
/// <param name="Start">Of its first number.</param>
/// <param name="Shape">Its shape.</param>
internal readonly record struct FlatPlace(long Start, long[] Shape)
{
    /// <summary>Its view of a vector that is aligned with the parameters; in the caller's scope.</summary>
    public Tensor Of(Tensor flat) => flat.narrow(0, Start, Shape.Aggregate(1L, (a, b) => a * b)).view(Shape);
}
