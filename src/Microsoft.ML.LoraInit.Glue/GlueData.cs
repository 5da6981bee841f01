namespace Microsoft.ML.LoraInit;

/// <summary>A task's rows, read and checked.</summary>
/// <param name="Train">Training rows.</param>
/// <param name="Validation">Dev rows.</param>
/// <param name="TrainFile">The file that the training rows come from.</param>
/// <param name="TrainRows">How many there are.</param>
/// <param name="ValidationFile">The file that the dev rows come from.</param>
/// <param name="ValidationRows">How many there are.</param>
/// <param name="SkippedLines">Malformed lines left out, where the options say so.</param>
public sealed record GlueData(
    IDataView Train, IDataView Validation, string TrainFile, int TrainRows, string ValidationFile, int ValidationRows, int SkippedLines);

/// <summary>How to read a task's files.</summary>
public sealed record GlueLoadOptions
{
    /// <summary>The first so many training rows; null (the default) for all.</summary>
    public int? TrainRows { get; init; }

    /// <summary>The first so many dev rows; null (the default) for all.</summary>
    public int? ValidationRows { get; init; }

    /// <summary>Leave out lines with a wrong number of columns (the published QQP has some) instead of refusing the file. Default false.</summary>
    public bool SkipMalformed { get; init; }
}
