using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>A trained correction of one linear layer.</summary>
/// <param name="target">The layer, the rank and the scale.</param>
/// <param name="dropout">Probability of dropping an element of the adapter's input.</param>
internal abstract class LinearAdapter(AdapterTarget target, double dropout) : IDisposable
{
    /// <summary>The names of the factors, after the module's.</summary>
    public static class Names
    {
        public const string A = ".lora_A";
        public const string B = ".lora_B";
        public const string N = ".lora_N";
        public const string Magnitude = ".lora_magnitude_vector";
    }

    public AdapterTarget Target { get; } = target;

    public double Dropout { get; } = dropout;

    /// <summary>s: alpha / r, or alpha / √r with rsLoRA.</summary>
    public double Scaling { get; } = target.Scaling;

    public abstract AdapterKind Kind { get; }

    /// <summary>[r, in], fp32.</summary>
    public abstract Parameter A { get; }

    /// <summary>[out, r], fp32.</summary>
    public abstract Parameter B { get; }

    /// <summary>What the initialisation did to the layer's base weight; null where that is untouched. Owned by the adapter.</summary>
    public BaseCorrection? Correction { get; set; }

    /// <summary>The adapter's own parameters, trained and frozen, by full name (<c>{module}.lora_A</c>).</summary>
    public abstract IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>x [..., in] → [..., out]: the adapted layer, base product included.</summary>
    public abstract Tensor forward(Tensor x, Linear linear, ForwardContext context);

    /// <summary>The weight [out, in], fp32, of the plain linear layer that computes the same function.</summary>
    /// <param name="weight">The layer's (corrected) base weight, fp32.</param>
    public abstract Tensor EffectiveWeight(Tensor weight);

    public void Dispose()
    {
        foreach (var parameter in Parameters)
            parameter.Release();
        Correction?.Dispose();
        Correction = null;
    }

    protected Parameter Factor(string name, Tensor value) =>
        new($"{Target.ModuleName}{name}", value, owned: true) { Trained = true };
}
