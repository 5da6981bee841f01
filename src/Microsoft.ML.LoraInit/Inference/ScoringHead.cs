using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>A classification head in fp32: tanh of a dense layer, and a projection to the logits.</summary>
/// <param name="Dense">Weight [hidden, hidden] and bias [hidden].</param>
/// <param name="Projection">Weight [outputs, hidden] and bias [outputs].</param>
internal sealed record ScoringHead((Tensor Weight, Tensor Bias) Dense, (Tensor Weight, Tensor Bias) Projection) : IDisposable
{
    /// <summary>Number of logits a row.</summary>
    public int Outputs { get; } = (int)Projection.Bias.shape[0];

    /// <summary>Everything held.</summary>
    public IEnumerable<Tensor> Tensors => [Dense.Weight, Dense.Bias, Projection.Weight, Projection.Bias];

    /// <summary>Takes a head out of a model's weights, whatever number of outputs it has.</summary>
    /// <exception cref="ArgumentException">A weight is missing, or of another shape.</exception>
    public static ScoringHead Take(WeightBag weights, long hidden) => new(
        weights.KeepAffine(ScalarType.Float32, RobertaNames.HeadDense, hidden, hidden),
        weights.KeepAffine(ScalarType.Float32, RobertaNames.HeadProjection, weights.RowsOf($"{RobertaNames.HeadProjection}.weight") ?? 0, hidden));

    /// <summary>First tokens' states fp32 [rows, hidden] → logits fp32 [rows, outputs].</summary>
    public Tensor Logits(Tensor first)
    {
        using var scope = NewDisposeScope();
        var pooled = nn.functional.linear(first, Dense.Weight, Dense.Bias).tanh_();
        return nn.functional.linear(pooled, Projection.Weight, Projection.Bias).MoveToOuterDisposeScope();
    }

    /// <summary>First tokens' states fp32 [rows, hidden] → what the projection takes, fp32 [rows, hidden].</summary>
    public Tensor Pooled(Tensor first) => nn.functional.linear(first, Dense.Weight, Dense.Bias).tanh_();

    public void Dispose()
    {
        foreach (var tensor in Tensors)
            tensor.Dispose();
    }
}
