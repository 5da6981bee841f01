using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>
/// DoRA (arXiv 2402.09353): y = g ∘ (x Wᵀ + s · x Aᵀ Bᵀ) + b with g = m / ‖W + s·B·A‖, norms taken over each output
/// row. m [out] is trained; the norm counts as a constant in the backward pass (section 4.3 of the paper). Where the
/// input is dropped out, base and correction see the same dropped input, as in huggingface/peft.
/// </summary>
internal sealed class DoraAdapter : LowRankAdapter
{
    private const double NoLength = 1e-30;

    public DoraAdapter(AdapterTarget target, Tensor a, Tensor b, Tensor magnitude, double dropout = 0)
        : base(target, dropout)
    {
        A = Factor(Names.A, a);
        B = Factor(Names.B, b);
        Magnitude = Factor(Names.Magnitude, magnitude);
        Parameters = [A, B, Magnitude];
    }

    public override Parameter A { get; }

    public override Parameter B { get; }

    /// <summary>m [out], fp32.</summary>
    public Parameter Magnitude { get; }

    public override string Kind => AdapterKind.Dora.Name;

    public override IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>The m [out] with which the layer starts as the identity of its base: ‖W + s·B·A‖ a row.</summary>
    public static Tensor InitialMagnitude(Tensor weight, Tensor a, Tensor b, double scaling) =>
        RowNorms(weight.to(ScalarType.Float32).Add(b.matmul(a), scaling));

    public override Tensor forward(Tensor x, Linear linear, ForwardContext context)
    {
        Tensor norm;
        using (no_grad())
        using (NewDisposeScope())
            norm = Lengths(Direction(linear.Weight.Value.to(ScalarType.Float32))).MoveToOuterDisposeScope();
        var gain = (Magnitude.Value / norm).to(x.dtype); // [out]
        var dropped = context.ApplyDropout(x, Dropout);
        var delta = Delta(x, dropped).Mul(Scaling);
        if (ReferenceEquals(dropped, x))
            return (linear.Product(x).Add(delta) * gain).Add(linear.Bias.Value);
        var correction = (linear.Product(dropped) * gain.Sub(1)).Add(delta * gain);
        return linear.Affine(x).Add_(correction);
    }

    public override Tensor EffectiveWeight(Tensor weight)
    {
        var direction = Direction(weight);
        return direction * (Magnitude.Value / Lengths(direction)).unsqueeze(1);
    }

    /// <summary>‖·‖ of each row, to divide by: a row of zeros, as of a pruned model, has no direction and stays zero.</summary>
    public static Tensor Lengths(Tensor direction) => RowNorms(direction).ClampMin(NoLength);

    private static Tensor RowNorms(Tensor weight) => weight.Square().sum(1).sqrt_();
}
