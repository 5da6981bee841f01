using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>
/// A kind of adapter on a linear layer: what tensors it has, how it is built from them, and what product of two factors it is.
/// How it changes the layer is its <see cref="LinearAdapter"/>'s matter; what it does around a step its <see cref="MethodHooks"/>'.
/// </summary>
internal abstract class AdapterKind
{
    /// <summary>W + s·B·A (arXiv 2106.09685).</summary>
    public static AdapterKind Lora { get; } = new LoraKind();

    /// <summary>The direction of W + s·B·A with a trained length a row (arXiv 2402.09353).</summary>
    public static AdapterKind Dora { get; } = new DoraKind();

    /// <summary>W + s·B·N·A (arXiv 2502.14482).</summary>
    public static AdapterKind ThreeMatrix { get; } = new ThreeMatrixKind();

    /// <summary>What model files call it.</summary>
    public abstract string Name { get; }

    /// <summary>The end of each tensor's name, after the module's, and its shape.</summary>
    public abstract IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target);

    /// <summary>The adapter from its tensors, which it takes over.</summary>
    /// <param name="parts">Target, dropout and tensors.</param>
    /// <param name="weight">The layer's (corrected) base weight, for what starts from it.</param>
    public abstract LinearAdapter Build(AdapterParts parts, Tensor weight);

    /// <summary>
    /// A and B over the layer's (corrected) weight whose product B·A, times the target's scaling, is what the adapter adds; null where
    /// that has no such form. In the caller's scope.
    /// </summary>
    /// <param name="target">The layer.</param>
    /// <param name="part">A tensor by the end of its name.</param>
    public virtual AdapterFactors? Factors(AdapterTarget target, Func<string, Tensor> part) => new(part(LinearAdapter.Names.A), part(LinearAdapter.Names.B));

    /// <summary>Whether a tensor is trained, where nothing else freezes it.</summary>
    /// <param name="suffix">The end of its name.</param>
    public virtual bool Trains(string suffix) => true;

    /// <summary>Whether a stored initial product has a factor between its two, as the adapter's own has.</summary>
    public virtual bool HasMiddle => false;

    /// <summary>DoRA's m [out], or null.</summary>
    public virtual Tensor? Magnitude(Func<string, Tensor> part) => null;

    /// <summary>A [r, in] and B [out, r].</summary>
    protected static IEnumerable<(string Suffix, long[] Shape)> Pair(AdapterTarget target)
    {
        yield return (LinearAdapter.Names.A, [target.Rank, target.InFeatures]);
        yield return (LinearAdapter.Names.B, [target.OutFeatures, target.Rank]);
    }

    private sealed class LoraKind : AdapterKind
    {
        public override string Name => "lora";

        public override IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target) => Pair(target);

        public override LinearAdapter Build(AdapterParts parts, Tensor weight) =>
            new LoraAdapter(parts.Target, parts[LinearAdapter.Names.A], parts[LinearAdapter.Names.B], parts.Dropout);
    }

    private sealed class DoraKind : AdapterKind
    {
        public override string Name => "dora";

        public override IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target) => [.. Pair(target), (LinearAdapter.Names.Magnitude, [target.OutFeatures])];

        public override LinearAdapter Build(AdapterParts parts, Tensor weight)
        {
            var (a, b) = (parts[LinearAdapter.Names.A], parts[LinearAdapter.Names.B]);
            var magnitude = parts.Find(LinearAdapter.Names.Magnitude) ?? DoraAdapter.InitialMagnitude(weight, a, b, parts.Target.Scaling);
            return new DoraAdapter(parts.Target, a, b, magnitude, parts.Dropout);
        }

        public override Tensor? Magnitude(Func<string, Tensor> part) => part(LinearAdapter.Names.Magnitude);
    }

    private sealed class ThreeMatrixKind : AdapterKind
    {
        public override string Name => "three-matrix";

        public override bool HasMiddle => true;

        public override IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target) => [.. Pair(target), (LinearAdapter.Names.N, [target.Rank, target.Rank])];

        public override LinearAdapter Build(AdapterParts parts, Tensor weight) =>
            new ThreeMatrixAdapter(parts.Target, parts[LinearAdapter.Names.A], parts[LinearAdapter.Names.N], parts[LinearAdapter.Names.B], parts.Dropout);

        public override AdapterFactors Factors(AdapterTarget target, Func<string, Tensor> part) =>
            new(part(LinearAdapter.Names.A), part(LinearAdapter.Names.B).matmul(part(LinearAdapter.Names.N)));
    }
}
