using Microsoft.ML.LoraInit.Adapters;

namespace Microsoft.ML.LoraInit.Training;

/// <summary>What a fine-tuning run gives.</summary>
/// <param name="State">The best epoch's parameters and how they came about; disposed with this.</param>
/// <param name="History">How the run went.</param>
internal sealed record FineTuningResult(FineTunedState State, TrainingHistory History) : IDisposable
{
    public void Dispose() => State.Dispose();
}
