using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Merged weights, and the way in which they score rows fast. Any number of threads may score at once.</summary>
internal interface IMergedScorer : IDisposable
{
    /// <summary>Where it runs.</summary>
    Device Device { get; }

    /// <summary>Number of logits a row.</summary>
    int Outputs { get; }

    /// <summary>Starts to score; the logits may be there when this returns, or later.</summary>
    /// <param name="texts">Rows that the model takes, each at least a token long.</param>
    /// <param name="use">Ends when the logits are read; the caller's where this fails.</param>
    /// <param name="cancellationToken">Looked at between batches.</param>
    PendingLogits Begin(IReadOnlyList<EncodedText> texts, SharedLifetime.Use use, CancellationToken cancellationToken);

    /// <summary>Lets others compute with the weights as tensors.</summary>
    T With<T>(Func<MergedModel, T> compute);
}
