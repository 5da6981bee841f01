using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>A, B and a vector [r] between them: W + s·B·diag(g)·A.</summary>
/// <param name="name">What model files call the kind.</param>
/// <param name="gate">The end of the vector's name.</param>
/// <param name="decay">Whether the vector decays.</param>
/// <param name="scale">What g is of the vector; null for itself.</param>
internal sealed class GatedKind(string name, string gate, bool decay, Func<Tensor, Tensor>? scale = null) : AdapterKind
{
    public override string Name => name;

    public string Gate => gate;

    public override IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target) => [.. Pair(target), (gate, [target.Rank])];

    public override LinearAdapter Build(AdapterParts parts, Tensor weight) =>
        new GatedAdapter(name, parts.Target, parts[LinearAdapter.Names.A], parts[LinearAdapter.Names.B], gate, parts[gate], decay, parts.Dropout, scale);

    public override AdapterFactors Factors(AdapterTarget target, Func<string, Tensor> part) =>
        new(GatedAdapter.Scaled(part(LinearAdapter.Names.A), part(gate), scale), part(LinearAdapter.Names.B));
}

/// <summary>y = x Wᵀ + b + s · dropout(x) Aᵀ diag(g) Bᵀ with A [r, in], g [r], B [out, r].</summary>
internal sealed class GatedAdapter : LowRankAdapter
{
    private readonly Func<Tensor, Tensor>? _scale;

    public GatedAdapter(string kind, AdapterTarget target, Tensor a, Tensor b, string name, Tensor gate, bool decay, double dropout, Func<Tensor, Tensor>? scale = null)
        : base(target, dropout)
    {
        (Kind, _scale) = (kind, scale);
        A = Factor(Names.A, a);
        B = Factor(Names.B, b);
        Gate = Factor(name, gate, decay);
        Parameters = [A, B, Gate];
    }

    public override string Kind { get; }

    public override Parameter A { get; }

    public override Parameter B { get; }

    /// <summary>[r], fp32.</summary>
    public Parameter Gate { get; }

    /// <summary>g [r] as it is in this step.</summary>
    public Tensor Gates => _scale is null ? Gate.Value : _scale(Gate.Value);

    // With A, so that what an initialisation subtracted from the base, B₀·A₀ of gates of 1, is taken off term by term.
    public override AdapterFactors Factors => new(Scaled(A.Value, Gate.Value, _scale), B.Value);

    public override IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>diag(g)·A [r, in], in the caller's scope.</summary>
    public static Tensor Scaled(Tensor a, Tensor gate, Func<Tensor, Tensor>? scale) => a * (scale is null ? gate : scale(gate)).unsqueeze(1);
}
