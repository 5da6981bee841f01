using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>An adapter whose correction is a matrix made of tensors of its own: y = x Wᵀ + b + s · dropout(x) Δᵀ.</summary>
/// <param name="kind">What model files call the kind.</param>
/// <param name="parts">Target, dropout and tensors.</param>
/// <param name="names">The ends of the tensors' names.</param>
/// <param name="outputs">Those of them that stand for B.</param>
internal abstract class MatrixAdapter(string kind, AdapterParts parts, IEnumerable<string> names, params string[] outputs) : LinearAdapter(parts.Target, parts.Dropout)
{
    private readonly Dictionary<string, Parameter> _parameters = names.ToDictionary(n => n, n =>
        new Parameter(parts.Target.ModuleName + n, parts[n], owned: true) { Trained = true }, StringComparer.Ordinal);

    public override string Kind => kind;

    public override IReadOnlyList<Parameter> Parameters => [.. _parameters.Values];

    public override IEnumerable<Parameter> OutputFactors => outputs.Where(Has).Select(n => _parameters[n]);

    public override Tensor forward(Tensor x, Linear linear, ForwardContext context) =>
        linear.Affine(x).Add_(Product(context.ApplyDropout(x, Dropout)), Scaling);

    public override Tensor EffectiveWeight(Tensor weight) => weight.Add(Delta(), Scaling);

    /// <summary>Δ [out, in], fp32, not yet scaled.</summary>
    protected abstract Tensor Delta();

    /// <summary>x Δᵀ, [..., in] → [..., out] in x's type.</summary>
    protected virtual Tensor Product(Tensor x) => nn.functional.linear(x, Delta().to(x.dtype));

    /// <summary>A tensor's value in this step.</summary>
    protected Tensor Part(string name) => _parameters[name].Value;

    /// <summary>Whether there is such a tensor.</summary>
    protected bool Has(string name) => _parameters.ContainsKey(name);
}
