using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Trainers;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Rows read, checked and tokenised once, for any number of trainings in one <see cref="LoraTrainingSession"/>. Unchanging, and
/// safe to use from several threads at once.
/// </summary>
public sealed class PreparedRows
{
    internal PreparedRows(LabelKind kind, TextTrainerRun.Schemas schemas, IDataView? validationData, int maxLength, TextDataset train, TextDataset? validation)
    {
        (Kind, Schemas, ValidationData, MaxLength) = (kind, schemas, validationData, maxLength);
        (Train, Validation) = (train, validation);
    }

    /// <summary>How many rows there are to train on.</summary>
    public int TrainCount => Train.Count;

    /// <summary>How many rows there are to validate on; 0 where none were given.</summary>
    public int ValidationCount => Validation?.Count ?? 0;

    /// <summary>Tokens a row at most, special tokens included; longer rows were cut.</summary>
    public int MaxLength { get; }

    /// <summary>What was read of longer rows.</summary>
    public LongText LongText { get; internal init; } = LongText.Truncate;

    internal LabelKind Kind { get; }

    internal TextTrainerRun.Schemas Schemas { get; }

    internal IDataView? ValidationData { get; }

    internal TextDataset Train { get; }

    internal TextDataset? Validation { get; }
}
