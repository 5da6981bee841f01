using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>A model that scores token ids fast, whatever computes it. Any number of threads may score at once.</summary>
internal interface IRowScorer : IDisposable
{
    /// <summary>Number of logits a row.</summary>
    int Outputs { get; }

    /// <summary>Whether <see cref="Begin"/> returns before the scores are there.</summary>
    bool IsAsynchronous { get; }

    /// <summary>Starts to score; the logits may be there when this returns, or later.</summary>
    /// <param name="texts">Rows that the model takes, each at least a token long.</param>
    /// <param name="use">Ends when the logits are read; the caller's where this fails.</param>
    /// <param name="cancellationToken">Looked at between batches.</param>
    PendingLogits Begin(IReadOnlyList<EncodedText> texts, SharedLifetime.Use use, CancellationToken cancellationToken);
}
