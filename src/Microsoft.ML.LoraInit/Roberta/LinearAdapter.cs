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

    /// <summary>
    /// Set where the layer keeps the untouched weight and the adapter adds what training changed; null where the weight itself
    /// is corrected, or need not be. Owned by the adapter.
    /// </summary>
    public SubtractedStart? Start { get; set; }

    /// <summary>A, B and what lies between them, as they are in this step.</summary>
    public virtual AdapterFactors Factors => new(A.Value, B.Value);

    /// <summary>The adapter's own parameters, trained and frozen, by full name (<c>{module}.lora_A</c>).</summary>
    public abstract IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>x [..., in] → [..., out]: the adapted layer, base product included.</summary>
    public abstract Tensor forward(Tensor x, Linear linear, ForwardContext context);

    /// <summary>The weight [out, in], fp32, of the plain linear layer that computes the same function.</summary>
    /// <param name="weight">What the layer holds, fp32: the corrected base weight, or with <see cref="Start"/> the untouched one.</param>
    public abstract Tensor EffectiveWeight(Tensor weight);

    /// <summary>W + s·B·A or W + s·B·N·A, less what the base gave away; in the caller's scope.</summary>
    /// <param name="weight">What the layer holds, fp32.</param>
    protected Tensor Direction(Tensor weight)
    {
        var sum = weight.add(Factors.Product(), Scaling);
        return Start is null ? sum : sum.add_(Start.Initial.Product(), -Scaling);
    }

    /// <summary>What the adapter adds to x Wᵀ, [..., in] → [..., out], not yet scaled.</summary>
    /// <param name="x">The layer's input.</param>
    /// <param name="dropped">The adapter's: x after dropout, the same object where there is none.</param>
    protected Tensor Delta(Tensor x, Tensor dropped)
    {
        if (Start is not null)
            return Start.Product(x, dropped, Factors);
        var (a, b, n) = (A.Value.to(x.dtype), B.Value.to(x.dtype), Factors.N?.to(x.dtype));
        var low = nn.functional.linear(dropped, a); // [..., r]
        return nn.functional.linear(n is null ? low : nn.functional.linear(low, n), b);
    }

    public void Dispose()
    {
        foreach (var parameter in Parameters)
            parameter.Release();
        Correction?.Dispose();
        Correction = null;
        Start?.Dispose();
        Start = null;
    }

    protected Parameter Factor(string name, Tensor value) =>
        new($"{Target.ModuleName}{name}", value, owned: true) { Trained = true };
}
