using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Steps;

/// <summary>What a forward and backward pass reads.</summary>
/// <param name="Batch">Ids and mask.</param>
/// <param name="Lengths">Int64 [rows], tokens a row; null where no row is padded or nobody asks.</param>
/// <param name="Targets">What the task's loss takes.</param>
/// <param name="Weights">Example weights, fp32 [rows]; null for 1 each.</param>
/// <param name="InverseWeight">One over the sum of weights of the whole optimiser step: a scalar tensor, fp32.</param>
internal sealed record StepInputs(EncodedBatch Batch, Tensor? Lengths, Tensor Targets, Tensor? Weights, Tensor InverseWeight)
{
    /// <summary>Int64 [1] on the device; dropout's seed. Null for no dropout.</summary>
    public Tensor? Seed { get; init; }
}
