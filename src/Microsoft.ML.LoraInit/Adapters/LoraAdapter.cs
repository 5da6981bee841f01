using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>
/// LoRA (arXiv 2106.09685): y = x Wᵀ + b + s · dropout(x) Aᵀ Bᵀ with A [r, in], B [out, r] and W frozen.
/// </summary>
internal sealed class LoraAdapter : LowRankAdapter
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

    public override string Kind => AdapterKind.Lora.Name;

    public override IReadOnlyList<Parameter> Parameters { get; }
}
