using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>A trained correction of one linear layer: how it changes the layer's product, what it trains, and how it merges.</summary>
/// <param name="target">The layer, the rank and the scale.</param>
/// <param name="dropout">Probability of dropping an element of the adapter's input.</param>
internal abstract class LinearAdapter(AdapterTarget target, double dropout) : IDisposable
{
    /// <summary>The names of the factors that several kinds have, after the module's.</summary>
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

    /// <summary>The kind's name, as model files have it.</summary>
    public abstract string Kind { get; }

    /// <summary>What the initialisation did to the layer's base weight; null where that is untouched. Owned by the adapter.</summary>
    public BaseCorrection? Correction { get; set; }

    /// <summary>
    /// Set where the layer keeps the untouched weight and the adapter adds what training changed; null where the weight itself
    /// is corrected, or need not be. Owned by the adapter; <see cref="LowRankAdapter"/>s alone compute with it.
    /// </summary>
    public SubtractedStart? Start { get; set; }

    /// <summary>The adapter's own parameters, trained and frozen, by full name (<c>{module}.lora_A</c>).</summary>
    public abstract IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Those that stand for B, whose rate LoRA+ raises; empty where there is none.</summary>
    public virtual IEnumerable<Parameter> OutputFactors => [];

    /// <summary>x [..., in] → [..., out]: the adapted layer, base product included.</summary>
    public abstract Tensor forward(Tensor x, Linear linear, ForwardContext context);

    /// <summary>The weight [out, in], fp32, of the plain linear layer that computes the same function.</summary>
    /// <param name="weight">What the layer holds, fp32: the corrected base weight, or with <see cref="Start"/> the untouched one.</param>
    public abstract Tensor EffectiveWeight(Tensor weight);

    public virtual void Dispose()
    {
        foreach (var parameter in Parameters)
            parameter.Release();
        Correction?.Dispose();
        Correction = null;
        Start?.Dispose();
        Start = null;
    }

    protected Parameter Factor(string name, Tensor value, bool decay = true) =>
        new($"{Target.ModuleName}{name}", value, owned: true, decay) { Trained = true, NeverDecays = !decay };
}
