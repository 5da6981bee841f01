using Microsoft.ML.LoraInit.Data.Batching;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>The step on a GPU: batches of fixed shapes, recorded passes and a recorded update.</summary>
internal sealed class DeviceStep : TrainingStep
{
    private readonly DeviceGradients _gradients;
    private readonly DeviceUpdate _update;

    /// <param name="parts">What a step works on.</param>
    /// <param name="work">Forward and backward, disposed with this, and what records them.</param>
    public DeviceStep(StepParts parts, DeviceWork work)
        : base(parts)
    {
        _gradients = new DeviceGradients(parts.Gradients, work);
        _update = new DeviceUpdate(parts, work.Capture);
    }

    /// <summary>Shapes whose passes are recorded.</summary>
    public int CapturedShapes => _gradients.CapturedShapes;

    public override IStepBatches Open(IReadOnlyList<int[]> plan)
    {
        var size = Parts.Request.Settings.Schedule.BatchSize;
        if (Longest(plan, size) is { } shape)
            _gradients.Expect(shape);
        return new Queue(new(plan, rows => Pack(rows, size)));
    }

    public override void Dispose()
    {
        _update.Dispose();
        _gradients.Dispose();
    }

    protected override void Run(IStepBatches batches, int count, double inverseWeight, double learningRate)
    {
        using var scope = NewDisposeScope();
        for (int i = 0; i < count; i++)
        {
            using var batch = ((Queue)batches).Batches.Take();
            _gradients.Add(batch, DropoutSeed(i), inverseWeight);
        }
        AddPenalty(inverseWeight);
        _update.Run(learningRate);
    }

    private sealed record Queue(PrefetchQueue<BatchBuffer> Batches) : IStepBatches
    {
        public void Dispose() => Batches.Dispose();
    }
}
