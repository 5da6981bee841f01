using Microsoft.ML.LoraInit.Inference.Batching;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>Scores in 8 bits by another package, and has the weights before rounding for who computes with tensors.</summary>
/// <param name="scorer">What scores; taken over.</param>
/// <param name="merge">Makes the weights as tensors, each time anew: few ask for them, and many would hold them.</param>
internal sealed class Int8Scorer(IRowScorer scorer, Func<MergedModel> merge) : IMergedScorer
{
    public Device Device => CPU;

    public int Outputs => scorer.Outputs;

    public bool IsAsynchronous => false;

    public PendingLogits Begin(IReadOnlyList<EncodedText> texts, SharedLifetime.Use use, CancellationToken cancellationToken) =>
        scorer.Begin(texts, use, cancellationToken);

    public T With<T>(Func<MergedModel, T> compute)
    {
        using var model = merge();
        return compute(model);
    }

    public void Dispose() => scorer.Dispose();
}
