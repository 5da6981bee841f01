using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>One optimiser step over the batches of a group, together weighted as one batch would be.</summary>
/// <param name="parts">What a step works on.</param>
internal abstract class TrainingStep(StepParts parts) : IDisposable
{
    protected StepParts Parts { get; } = parts;

    /// <summary>Starts making an epoch's batches.</summary>
    public abstract IStepBatches Open(IReadOnlyList<int[]> plan);

    /// <summary>Takes the group's batches from the queue, in order, and updates the parameters.</summary>
    /// <param name="batches">What <see cref="Open"/> gave.</param>
    /// <param name="group">The batches' rows.</param>
    /// <param name="learningRate">Of this step.</param>
    public void Run(IStepBatches batches, int[][] group, double learningRate)
    {
        var weight = group.Sum(rows => BatchQueue.WeightOf(Parts.Request.Train, rows));
        Parts.Hooks?.BeforeStep(Parts.State.Step);
        Run(batches, group.Length, weight > 0 ? 1 / weight : 0, learningRate);
        Parts.State.WeightSum += weight;
        Parts.State.Step++;
        Parts.State.StepInEpoch++;
    }

    public abstract void Dispose();

    protected abstract void Run(IStepBatches batches, int count, double inverseWeight, double learningRate);

    /// <summary>Adds what the method adds to the loss, and its gradient, once the batches' are there.</summary>
    /// <param name="inverseWeight">One over the sum of weights of the step's rows; 0 where they count for nothing.</param>
    protected void AddPenalty(double inverseWeight)
    {
        if (Parts.Hooks is not { } hooks || inverseWeight == 0)
            return;
        using var scope = NewDisposeScope();
        Parts.Parameters.Bind();
        if (hooks.Penalty() is not { } penalty)
            return;
        penalty.backward();
        using var noGrad = no_grad();
        Parts.State.LossSum.Add_(penalty.detach(), 1 / inverseWeight);
    }

    /// <summary>The seed of a step's dropout, of its nth batch, on the nth device.</summary>
    protected ulong DropoutSeed(int batch, int device = 0)
    {
        var name = batch == 0 ? $"dropout/{Parts.State.Step}" : $"dropout/{Parts.State.Step}/{batch}";
        return SeededRandom.Hash(Parts.Request.Seed, device == 0 ? name : $"{name}/device {device}");
    }

    /// <summary>The shape of the batch with the longest row; null where no batch has rows.</summary>
    protected BatchBufferShape? Longest(IEnumerable<int[]> batches, int size)
    {
        var rows = batches.Where(rows => rows.Length > 0).MaxBy(rows => rows.Max(row => Parts.Request.Train.Texts[row].Length));
        using var batch = rows is null ? null : Pack(rows, size);
        return batch?.Shape;
    }

    /// <summary>Rows as a batch of a fixed number of rows, in page-locked memory where a GPU reads it.</summary>
    protected BatchBuffer Pack(int[] rows, int size)
    {
        var (request, config) = (Parts.Request, Parts.Model.Config);
        var pinned = Parts.Model.Device.type == TorchSharp.DeviceType.CUDA;
        return BatchBuffer.Build(request.Train, rows, request.Task, config.PadTokenId, size, config.MaxLength, pinned);
    }
}

/// <summary>What a step works on.</summary>
/// <param name="Request">The run.</param>
/// <param name="Model">The model with its adapters on.</param>
/// <param name="Parameters">What is trained.</param>
/// <param name="Optimizer">Over the same.</param>
/// <param name="Preconditioner">Changes the gradient before the optimiser sees it; or null.</param>
/// <param name="State">Where the run stands.</param>
/// <param name="Hooks">What the method does around a step; or null.</param>
internal sealed record StepParts(
    FineTuningRequest Request,
    Roberta.RobertaClassifier Model,
    TrainableParameters Parameters,
    FlatAdamW Optimizer,
    RiemannianPreconditioner? Preconditioner,
    TrainingState State,
    MethodHooks? Hooks = null)
{
    /// <summary>What comes between clipping and the update, given the learning rate; null for nothing.</summary>
    public Action<double>? BeforeUpdate => Preconditioner is null && Hooks is null ? null : rate =>
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Preconditioner?.Apply();
        Hooks?.BeforeUpdate(State.Step, rate);
    };

    /// <summary>What comes after the update.</summary>
    public void AfterUpdate(double learningRate)
    {
        if (Hooks is null)
            return;
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Hooks.AfterUpdate(State.Step, learningRate);
    }

    /// <summary>What a pass on the model's device needs of it.</summary>
    public GradientParts Gradients => new(Request, Model, Parameters, State.LossSum) { MayBeRecorded = () => Hooks?.PassesMayBeRecorded is not false };
}

/// <summary>An epoch's batches, made ahead; a step takes its own from it.</summary>
internal interface IStepBatches : IDisposable;
