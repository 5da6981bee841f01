using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// An affine layer that can carry an adapter: y = x Wᵀ + b, or what <see cref="Adapter"/> makes of it.
/// </summary>
internal sealed class Linear
{
    /// <param name="name">Module name, such as <c>roberta.encoder.layer.0.attention.self.query</c>.</param>
    /// <param name="weight">W, [out, in].</param>
    /// <param name="bias">b, [out].</param>
    public Linear(string name, Parameter weight, Parameter bias)
    {
        Name = name;
        Weight = weight;
        Bias = bias;
    }

    public string Name { get; }

    public Parameter Weight { get; }

    public Parameter Bias { get; }

    public long OutFeatures => Weight.Shape[0];

    public long InFeatures => Weight.Shape[1];

    /// <summary>The low-rank (or other) correction on this layer, if any.</summary>
    public LinearAdapter? Adapter { get; set; }

    /// <summary>x [..., in] → [..., out].</summary>
    public Tensor forward(Tensor x, ForwardContext context)
    {
        context.OnLinearInput?.Invoke(this, x);
        return Adapter is null ? Affine(x) : Adapter.forward(x, this, context);
    }

    /// <summary>The layer without its adapter.</summary>
    public Tensor Affine(Tensor x) => Weight.Quantized is null
        ? Products.Affine(x, Weight.Value, Bias.Value)
        : Product(x).Add_(Bias.Value);

    /// <summary>x Wᵀ alone, [..., in] → [..., out].</summary>
    public Tensor Product(Tensor x) => Weight.Quantized is { } quantized
        ? Nf4Product.Of(x, quantized)
        : nn.functional.linear(x, Weight.Value);
}
