using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>A trained model that learns further classes.</summary>
/// <param name="Model">The model; stays the caller's.</param>
/// <param name="Earlier">What its stages learnt, where the method keeps that; stays the caller's.</param>
internal sealed record KnownModel(FineTunedModel Model, EarlierDirections? Earlier)
{
    private int Classes => Model.State.Outputs;

    /// <summary>The first class that a method learns.</summary>
    public int FirstLearnt(FineTuningMethod method) => method.KeepsKnownClasses ? Classes : 0;

    /// <summary>The tokenizer of the model, over its base.</summary>
    /// <exception cref="InvalidDataException">The base is another one by now.</exception>
    public SubwordTokenizer Tokenizer(CheckpointFiles files) => files.Identity.Sha256 == Model.State.Base.Sha256 ? files.OpenTokenizer(Model.ModelSettings.Tokenizer)
        : throw new InvalidDataException($"The base model '{files.Identity.Id}' has changed since the model was trained: its weights' SHA-256 is {files.Identity.Sha256}, it was {Model.State.Base.Sha256}. Restore it.");

    /// <summary>What the wider model says of a text that says nothing: all classes alike, since how many rows the old ones had is not known.</summary>
    public float[] Prior(TextTask task) => task.PriorLogits([], null);

    /// <summary>The task that a method learns of the new classes.</summary>
    /// <exception cref="InvalidDataException">The rows are not such that it could.</exception>
    public MulticlassTask Learning(FineTuningMethod method, MulticlassTask task, TextDataset train)
    {
        if (!method.KeepsKnownClasses)
            return task;
        NewClassLabels.Check(train, Classes, task.ClassNames!);
        return task.Learning(Classes);
    }
}
