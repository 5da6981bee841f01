using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters.Family;

/// <summary>A, B and a sparse matrix as its values and their rows and columns.</summary>
/// <param name="density">The share of the weight's entries.</param>
internal sealed class RosaKind(double density) : AdapterKind
{
    public const string Values = ".rosa_values", Places = ".rosa_places";

    public override string Name => "rosa";

    /// <summary>How many entries S has on a layer.</summary>
    public static long Entries(double density, AdapterTarget target) => (long)(density * target.OutFeatures * target.InFeatures);

    public override IEnumerable<(string Suffix, long[] Shape)> Layout(AdapterTarget target)
    {
        var entries = Entries(density, target);
        return [.. Pair(target), (Values, [entries]), (Places, [2, entries])];
    }

    public override bool Trains(string suffix) => suffix != Places;

    /// <exception cref="InvalidDataException">A place is none of the layer's.</exception>
    public override LinearAdapter Build(AdapterParts parts, Tensor weight)
    {
        var (target, places) = (parts.Target, parts[Places]);
        var end = tensor(new float[] { target.OutFeatures, target.InFeatures }, device: places.device).unsqueeze(1);
        if (!(places.Ge(0) & places.lt(end) & places.eq(places.floor())).all().item<bool>())
            throw new InvalidDataException($"The adapter of '{target.ModuleName}' [{target.OutFeatures}, {target.InFeatures}] has a sparse part whose rows and columns ('{target.ModuleName}{Places}') are none of that weight.");
        return new RosaAdapter(target, parts[LinearAdapter.Names.A], parts[LinearAdapter.Names.B], parts[Values], places, parts.Dropout);
    }

    // S has any rank.
    public override AdapterFactors? Factors(AdapterTarget target, Func<string, Tensor> part) => null;
}

/// <summary>y = x Wᵀ + b + s · dropout(x) Aᵀ Bᵀ + x Sᵀ.</summary>
internal sealed class RosaAdapter : LowRankAdapter
{
    public RosaAdapter(AdapterTarget target, Tensor a, Tensor b, Tensor values, Tensor places, double dropout)
        : base(target, dropout)
    {
        A = Factor(Names.A, a);
        B = Factor(Names.B, b);
        Values = Factor(RosaKind.Values, values);
        Values.Rests = !values.any().item<bool>();
        Places = Factor(RosaKind.Places, places);
        Parameters = [A, B, Values, Places];
    }

    public override string Kind => "rosa";

    public override Parameter A { get; }

    public override Parameter B { get; }

    /// <summary>S's entries, [n] fp32. While they rest, as they do at first, S has no places yet and is left out.</summary>
    public Parameter Values { get; }

    /// <summary>Their rows and columns, [2, n], whole numbers as fp32, which has all below 2²⁴.</summary>
    public Parameter Places { get; }

    /// <summary>Zeros [out, in] with a tape whose gradient is W's, while that is collected; null elsewhere. Not owned by this.</summary>
    public Tensor? Probe { get; set; }

    public override IReadOnlyList<Parameter> Parameters { get; }

    public override Tensor forward(Tensor x, Linear linear, ForwardContext context)
    {
        var y = base.forward(x, linear, context);
        if (Probe is not null)
            y = y.Add_(nn.functional.linear(x, Probe.to(x.dtype)));
        return Values.Rests ? y : y.Add_(nn.functional.linear(x, Sparse().to(x.dtype)));
    }

    public override Tensor EffectiveWeight(Tensor weight) => Direction(weight).Add_(Sparse());

    // As one of all entries: at the densities that S has, products of that are the faster ones.
    private Tensor Sparse()
    {
        var places = Places.Value.to(ScalarType.Int64);
        var flat = places[0].Mul((long)Target.InFeatures).Add(places[1]);
        return zeros((long)Target.OutFeatures * Target.InFeatures, device: flat.device).scatter(0, flat, Values.Value).view(Target.OutFeatures, Target.InFeatures);
    }
}
