using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Training;

/// <summary>A model that holds the parameters of its best epoch, with its run's history.</summary>
internal sealed record TrainedModel(RobertaClassifier Model, TrainingHistory History, IReadOnlyList<AdapterTarget> Targets) : IDisposable
{
    public void Dispose() => Model.Dispose();
}
