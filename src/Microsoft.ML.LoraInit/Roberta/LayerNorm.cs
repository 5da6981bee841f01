using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>Layer normalisation over the last dimension with learned weight and bias.</summary>
internal sealed class LayerNorm(Parameter weight, Parameter bias, double eps)
{
    private readonly long[] _shape = weight.Shape;

    public Parameter Weight { get; } = weight;

    public Parameter Bias { get; } = bias;

    /// <summary>Added to the variance.</summary>
    public double Eps { get; } = eps;

    /// <summary>x [..., hidden] → [..., hidden].</summary>
    public Tensor forward(Tensor x) => nn.functional.layer_norm(x, _shape, Weight.Value, Bias.Value, Eps);
}
