using Microsoft.ML.LoraInit.Data.Batching;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary>
/// A model whose encoder costs nothing: rows are batched and laid out for a device as <see cref="TensorScorer"/> does it for a GPU, and every
/// logit is 0. What is left is all that the host does.
/// </summary>
internal sealed class HostScorer : IRowScorer
{
    private const int Padding = 1, TokensABatch = 16_384, BatchCost = 2_048; // a GPU's

    public int Outputs => 1;

    public bool IsAsynchronous => true;

    /// <summary>Batches of rows as a GPU gets them.</summary>
    public static IReadOnlyList<int[]> Plan(IReadOnlyList<EncodedText> texts) => LengthPlan.Create([.. texts.Select(t => t.Length)], TokensABatch, BatchCost);

    /// <summary>Batches laid out.</summary>
    public static long LayOut(IReadOnlyList<EncodedText> texts, IReadOnlyList<int[]> batches)
    {
        using var scope = NewDisposeScope();
        return batches.Sum(rows => BatchBuilder.Build(texts, rows, Padding, CPU).Rows);
    }

    public PendingLogits Begin(IReadOnlyList<EncodedText> texts, SharedLifetime.Use use, CancellationToken cancellationToken)
    {
        var batches = Plan(texts);
        long rows = LayOut(texts, batches);
        return new(rows == 0 ? null : zeros(rows, Outputs).DetachFromDisposeScope(), batches, use);
    }

    public void Dispose()
    {
    }
}
