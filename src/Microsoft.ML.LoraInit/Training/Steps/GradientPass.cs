using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>
/// Forward and backward pass over one batch: adds to the flat gradient and to the sum of losses. Nothing in it waits for the
/// device, so that it can be captured.
/// </summary>
internal abstract class GradientPass : IDisposable
{
    /// <summary>By the fused encoder where the training allows it, else by autograd, which the log tells of adapters that the encoder does not know.</summary>
    public static GradientPass For(GradientParts parts, EncoderKernels kernels)
    {
        var (model, task) = (parts.Model, parts.Request.Task);
        if (FusedEncoder.TryCreate(model, parts.Parameters, kernels) is { } fused)
            return new FusedPass(model, parts.Parameters, task, fused, kernels);
        var kinds = model.Linears.Select(l => l.Adapter).OfType<LinearAdapter>().Where(a => a is not LoraAdapter).Select(a => a.Kind).Distinct().ToArray();
        if (kinds.Length > 0)
            parts.Request.Log?.Invoke($"Adapters of the kind {string.Join(", ", kinds)} train by autograd; the fused encoder is for plain LoRA.");
        else if (model.BaseParameters.Any(p => p.Trained))
            parts.Request.Log?.Invoke($"The method '{parts.Request.Settings.Method.Name}' trains weights of the base, and that by autograd; the fused encoder is for plain LoRA.");
        return new TapePass(model, parts.Parameters, task, kernels);
    }

    /// <summary>Adds the batch's gradient to <see cref="TrainableParameters.Flat"/>'s, and its weighted loss to a sum.</summary>
    /// <param name="inputs">The batch.</param>
    /// <param name="lossSum">Fp64 [1], or fp32 for the losses of one step.</param>
    public abstract void Run(StepInputs inputs, Tensor lossSum);

    public virtual void Dispose()
    {
    }

    /// <summary>Σ weight · loss of the rows, with the tape, added to the sum.</summary>
    protected static Tensor Sum(TextTask task, Tensor logits, StepInputs inputs, Tensor lossSum)
    {
        var losses = task.RowLosses(logits, inputs.Targets);
        var sum = inputs.Weights is null ? losses.sum() : (losses * inputs.Weights).sum();
        using (no_grad())
            lossSum.Add_(sum.detach());
        return sum * inputs.InverseWeight;
    }
}

/// <summary>By autograd through the whole model: for every kind of training.</summary>
internal sealed class TapePass(RobertaClassifier model, TrainableParameters parameters, TextTask task, EncoderKernels kernels) : GradientPass
{
    public override void Run(StepInputs inputs, Tensor lossSum)
    {
        using var scope = NewDisposeScope();
        parameters.Bind();
        using var dropout = inputs.Seed is null ? null : new KernelDropout(kernels, inputs.Seed);
        var logits = model.forward(inputs.Batch, new ForwardContext { Dropout = dropout, IsTraining = true });
        Sum(task, logits, inputs, lossSum).backward();
    }
}

/// <summary>By the fused encoder, with a tape for the head alone.</summary>
internal sealed class FusedPass : GradientPass
{
    /// <summary>Masks of the head are numbered from here; the embeddings' come before, the layers' after.</summary>
    private const int HeadMask = 8;

    private readonly RobertaClassifier _model;
    private readonly TrainableParameters _parameters;
    private readonly TextTask _task;
    private readonly FusedEncoder _encoder;
    private readonly EncoderKernels _kernels;
    private readonly Parameter[] _head;
    private readonly long _headStart;

    /// <param name="model">The model.</param>
    /// <param name="parameters">Its trained parameters.</param>
    /// <param name="task">What is learnt.</param>
    /// <param name="encoder">Over the same two; disposed with this.</param>
    /// <param name="kernels">What the encoder computes with.</param>
    public FusedPass(RobertaClassifier model, TrainableParameters parameters, TextTask task, FusedEncoder encoder, EncoderKernels kernels)
    {
        (_model, _parameters, _task, _encoder, _kernels) = (model, parameters, task, encoder, kernels);
        _head = [.. model.HeadParameters];
        _headStart = parameters.Start(_head[0]) ?? throw new InvalidOperationException("The head is not trained.");
    }

    public override void Run(StepInputs inputs, Tensor lossSum)
    {
        using var scope = NewDisposeScope();
        var gradient = _parameters.Gradient();
        var (first, backward) = _encoder.forward(inputs.Batch, inputs.Lengths, inputs.Seed, gradient);
        var encoded = first.detach().requires_grad_(true);
        var headCount = _head.Sum(p => p.Count);
        var head = _parameters.Flat.detach().narrow(0, _headStart, headCount).requires_grad_(true);
        var pieces = head.split([.. _head.Select(p => p.Count)]);
        for (int i = 0; i < _head.Length; i++)
            _head[i].Bind(pieces[i].view(_head[i].Shape));

        using var dropout = inputs.Seed is null ? null : new KernelDropout(_kernels, inputs.Seed, HeadMask);
        var logits = _model.Head.OfFirst(encoded, new ForwardContext { Dropout = dropout });
        var gradients = Tape.Gradients(Sum(_task, logits, inputs, lossSum), null, encoded, head);
        using var noGrad = no_grad();
        gradient.narrow(0, _headStart, headCount).Add_(gradients[1]);
        backward(gradients[0]);
    }

    public override void Dispose() => _encoder.Dispose();
}
