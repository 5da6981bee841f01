using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>
/// The three-matrix form of NLoRA (arXiv 2502.14482): y = x Wᵀ + b + s · dropout(x) Aᵀ Nᵀ Bᵀ with A [r, in],
/// N [r, r], B [out, r]. Training N alone (its IntTune) leaves A and B frozen.
/// </summary>
internal sealed class ThreeMatrixAdapter : LowRankAdapter
{
    public ThreeMatrixAdapter(AdapterTarget target, Tensor a, Tensor n, Tensor b, double dropout = 0)
        : base(target, dropout)
    {
        A = Factor(Names.A, a);
        N = Factor(Names.N, n);
        B = Factor(Names.B, b);
        Parameters = [A, N, B];
    }

    public override Parameter A { get; }

    /// <summary>[r, r], fp32.</summary>
    public Parameter N { get; }

    public override Parameter B { get; }

    public override AdapterFactors Factors => new(A.Value, B.Value, N.Value);

    public override string Kind => AdapterKind.ThreeMatrix.Name;

    public override IReadOnlyList<Parameter> Parameters { get; }
}
