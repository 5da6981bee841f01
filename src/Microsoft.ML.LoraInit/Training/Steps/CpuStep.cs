using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Fused;
using Microsoft.ML.LoraInit.Training.Optimization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>
/// The step on a CPU: batches as long as their longest row. Plain LoRA goes through the fused encoder, all else by autograd.
/// </summary>
internal sealed class CpuStep(StepParts parts) : TrainingStep(parts)
{
    private readonly GradientPass _pass = GradientPass.For(parts.Gradients, new CpuKernels());

    public override IStepBatches Open(IReadOnlyList<int[]> plan) =>
        new Queue(new(Parts.Request.Train, plan, Parts.Request.Task, Parts.Model.Config.PadTokenId, Parts.Model.Device));

    public override void Dispose() => _pass.Dispose();

    protected override void Run(IStepBatches batches, int count, double inverseWeight, double learningRate)
    {
        using var scope = NewDisposeScope();
        var inverse = tensor((float)inverseWeight);
        Parts.Optimizer.ZeroGradient();
        for (int i = 0; i < count; i++)
        {
            using var batch = ((Queue)batches).Batches.Take();
            var lengths = Parts.Request.DropsOut ? batch.Inputs.AttentionMask?.sum([1L]) : null;
            var seed = Parts.Request.DropsOut ? tensor(new[] { unchecked((long)DropoutSeed(i)) }) : null;
            _pass.Run(new(batch.Inputs, lengths, batch.Targets, batch.Weights, inverse) { Seed = seed }, Parts.State.LossSum);
        }
        AddPenalty(inverseWeight);
        GradientClipping.Apply(Parts.Parameters, Parts.Request.Settings.Optimizer.MaxGradientNorm);
        Parts.BeforeUpdate?.Invoke(learningRate);
        Parts.Optimizer.Step(learningRate);
        Parts.AfterUpdate(learningRate);
    }

    private sealed record Queue(BatchQueue Batches) : IStepBatches
    {
        public void Dispose() => Batches.Dispose();
    }
}
