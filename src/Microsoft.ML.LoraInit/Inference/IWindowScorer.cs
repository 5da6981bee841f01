namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Scores rows one by one, and windows of rows: what a cursor and a row mapper need.</summary>
/// <typeparam name="TRow">What a row is scored by.</typeparam>
/// <typeparam name="TResult">What comes of it.</typeparam>
internal interface IWindowScorer<TRow, TResult>
{
    /// <summary>Another object once a row may score otherwise than before.</summary>
    object? Version => null;

    /// <param name="row">The row.</param>
    /// <param name="position">Its number, from 0, for messages.</param>
    TResult ScoreOne(TRow row, long position);

    /// <summary>Starts to score a window, as far as that needs no waiting.</summary>
    /// <param name="rows">Not changed until the result is disposed of.</param>
    /// <param name="first">The number of the first row, from 0, for messages.</param>
    ScoringRun<TResult> Begin(IReadOnlyList<TRow> rows, long first);
}
