using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>
/// LoRA (arXiv 2106.09685): y = x Wᵀ + b + s · dropout(x) Aᵀ Bᵀ with A [r, in], B [out, r] and W frozen.
/// </summary>
internal sealed class LoraAdapter : LinearAdapter
{
    public LoraAdapter(AdapterTarget target, Tensor a, Tensor b, double dropout = 0)
        : base(target, dropout)
    {
        A = Factor(Names.A, a);
        B = Factor(Names.B, b);
        Parameters = [A, B];
    }

    public override Parameter A { get; }

    public override Parameter B { get; }

    public override AdapterKind Kind => AdapterKind.Lora;

    public override IReadOnlyList<Parameter> Parameters { get; }

    public override Tensor forward(Tensor x, Linear linear, ForwardContext context)
    {
        var delta = Delta(x, context.ApplyDropout(x, Dropout));
        return linear.Affine(x).add_(delta, Scaling);
    }

    public override Tensor EffectiveWeight(Tensor weight) => Direction(weight);
}
