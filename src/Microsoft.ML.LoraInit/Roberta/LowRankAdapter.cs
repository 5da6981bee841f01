using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>An adapter whose correction is a product of low rank: s·B·A, or s·B·N·A.</summary>
/// <param name="target">The layer, the rank and the scale.</param>
/// <param name="dropout">Probability of dropping an element of the adapter's input.</param>
internal abstract class LowRankAdapter(AdapterTarget target, double dropout) : LinearAdapter(target, dropout)
{
    /// <summary>[r, in], fp32.</summary>
    public abstract Parameter A { get; }

    /// <summary>[out, r], fp32.</summary>
    public abstract Parameter B { get; }

    public override IEnumerable<Parameter> OutputFactors => [B];

    /// <summary>The factors of the product as they are in this step; what a gate scales is scaled.</summary>
    public virtual AdapterFactors Factors => new(A.Value, B.Value);

    public override Tensor forward(Tensor x, Linear linear, ForwardContext context)
    {
        var delta = Delta(x, context.ApplyDropout(x, Dropout));
        return linear.Affine(x).Add_(delta, Scaling);
    }

    public override Tensor EffectiveWeight(Tensor weight) => Direction(weight);

    /// <summary>W + s·B·A or W + s·B·N·A, less what the base gave away; in the caller's scope.</summary>
    /// <param name="weight">What the layer holds, fp32.</param>
    protected Tensor Direction(Tensor weight)
    {
        var sum = weight.Add(Factors.Product(), Scaling);
        return Start is null ? sum : sum.Add_(Start.Initial.Product(), -Scaling);
    }

    /// <summary>What the adapter adds to x Wᵀ, [..., in] → [..., out], not yet scaled.</summary>
    /// <param name="x">The layer's input.</param>
    /// <param name="dropped">The adapter's: x after dropout, the same object where there is none.</param>
    protected Tensor Delta(Tensor x, Tensor dropped)
    {
        var factors = Factors;
        if (Start is not null)
            return Start.Product(x, dropped, factors);
        var (a, b, n) = (factors.A.to(x.dtype), factors.B.to(x.dtype), factors.N?.to(x.dtype));
        var low = nn.functional.linear(dropped, a); // [..., r]
        return nn.functional.linear(n is null ? low : nn.functional.linear(low, n), b);
    }
}
