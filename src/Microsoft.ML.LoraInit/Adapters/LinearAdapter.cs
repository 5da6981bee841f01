using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>A trained correction of one linear layer.</summary>
internal abstract class LinearAdapter
{
    /// <summary>The adapter's own parameters, trained and frozen, by full name (<c>{module}.lora_A</c>).</summary>
    public abstract IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>x [..., in] → [..., out]: the adapted layer, base product included.</summary>
    public abstract Tensor forward(Tensor x, Linear linear, ForwardContext context);

    /// <summary>The weight [out, in], fp32, of the plain linear layer that computes the same function.</summary>
    /// <param name="weight">The layer's (corrected) base weight, fp32.</param>
    public abstract Tensor EffectiveWeight(Tensor weight);
}
