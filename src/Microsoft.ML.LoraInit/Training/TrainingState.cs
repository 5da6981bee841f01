using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training;

/// <summary>
/// Where a run stands beside parameters and optimiser: all that a checkpoint must hold, since data order and dropout
/// follow from the seed and these numbers.
/// </summary>
internal sealed class TrainingState : IDisposable
{
    public TrainingState(Device device)
    {
        LossSum = zeros(1, ScalarType.Float64, device).DetachFromDisposeScope();
    }

    /// <summary>Optimiser steps done in all.</summary>
    public long Step { get; set; }

    /// <summary>The epoch that is going on, from 1; past the last when the run has ended.</summary>
    public int Epoch { get; set; } = 1;

    /// <summary>Optimiser steps done in this epoch.</summary>
    public int StepInEpoch { get; set; }

    /// <summary>Weighted sum of this epoch's row losses, fp64 [1], on the device: reading it is what waits for the device.</summary>
    public Tensor LossSum { get; }

    /// <summary>Sum of this epoch's row weights.</summary>
    public double WeightSum { get; set; }

    /// <summary>Time that this epoch's steps have taken.</summary>
    public double EpochSeconds { get; set; }

    /// <summary>Trained parameters of the best epoch, fp32 on the device; null before one has ended.</summary>
    public Tensor? Best { get; private set; }

    public int BestEpoch { get; private set; }

    public double BestMetric { get; private set; } = double.NaN;

    public List<EpochHistory> Epochs { get; } = [];

    /// <summary>Whether nothing is left to do.</summary>
    public bool Finished { get; set; }

    public bool StoppedEarly { get; set; }

    /// <summary>Keeps the parameters of an epoch as the best ones.</summary>
    public void Keep(int epoch, double metric, Tensor parameters)
    {
        Best?.Dispose();
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Best = parameters.detach().clone().DetachFromDisposeScope();
        BestEpoch = epoch;
        BestMetric = metric;
    }

    public void NextEpoch()
    {
        Epoch++;
        StepInEpoch = 0;
        WeightSum = 0;
        EpochSeconds = 0;
        using var scope = NewDisposeScope(); // zero_ hands out another handle on the same tensor
        LossSum.zero_();
    }

    public void Dispose()
    {
        LossSum.Dispose();
        Best?.Dispose();
    }
}
