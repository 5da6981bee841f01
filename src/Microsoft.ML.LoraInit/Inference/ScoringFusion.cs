using Microsoft.ML.LoraInit.Adapters.Fusion;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>What <see cref="BottleneckFusion"/> computes without dropout, of the tensors that <see cref="FusionPlacement.ForScoring"/> makes.</summary>
internal sealed class ScoringFusion
{
    private readonly (Tensor Weight, Tensor Bias)[] _downs, _ups;
    private readonly (Tensor Weight, Tensor Bias) _score, _value;

    private ScoringFusion(WeightBag weights, string name, long hidden)
    {
        var (downs, ups) = (new List<(Tensor, Tensor)>(), new List<(Tensor, Tensor)>());
        while (weights.RowsOf($"{name}.{BottleneckFusion.Source}.{downs.Count}.down.weight") is { } size)
        {
            var source = $"{name}.{BottleneckFusion.Source}.{downs.Count}";
            downs.Add(weights.KeepAffine($"{source}.down", size, hidden));
            ups.Add(weights.KeepAffine($"{source}.up", hidden, size));
        }
        (_downs, _ups) = ([.. downs], [.. ups]);
        _score = weights.KeepAffine($"{name}.{FusionPlacement.Score}", hidden, hidden);
        _value = weights.KeepAffine($"{name}.{BottleneckFusion.Value}", hidden, hidden);
    }

    /// <summary>Null where the model has none of this name.</summary>
    public static ScoringFusion? TakeIfThere(WeightBag weights, string name, long hidden) =>
        weights.RowsOf($"{name}.{FusionPlacement.Score}.weight") is null ? null : new(weights, name, hidden);

    /// <param name="x">[batch, length, hidden].</param>
    /// <param name="shares">Gets s, [batch, length, n, 1], to read; or null.</param>
    /// <returns>The same shape.</returns>
    public Tensor forward(Tensor x, Action<Tensor>? shares)
    {
        var z = stack([.. _downs.Zip(_ups, (down, up) => Products.Affine(nn.functional.gelu(Products.Affine(x, down)), up))], -2); // [..., n, hidden]
        var taken = nn.functional.softmax(z.matmul(Products.Affine(x, _score).unsqueeze(-1)), -2); // [..., n, 1]
        shares?.Invoke(taken);
        return x.Add(Products.Affine(taken.transpose(-2, -1).matmul(z).squeeze(-2), _value));
    }
}
