using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>One adapter as a stored model describes it; its tensors lie beside, by name.</summary>
internal sealed record AdapterDescription
{
    public required string Module { get; init; }

    public required string Kind { get; init; }

    public required int Rank { get; init; }

    public required double Alpha { get; init; }

    public required bool RankStabilized { get; init; }

    /// <summary>s, for readers of the file; computed from the three above.</summary>
    public required double Scaling { get; init; }

    public double Dropout { get; init; }

    public bool TrainA { get; init; } = true;

    public bool TrainB { get; init; } = true;

    public CorrectionKind Correction { get; init; }

    /// <summary>What an initialisation did to the layer's base weight.</summary>
    internal enum CorrectionKind
    {
        None,
        Subtracted,
        Replaced,
    }

    public static AdapterDescription Of(LinearAdapter adapter) => new()
    {
        Module = adapter.Target.ModuleName,
        Kind = adapter.Kind,
        Rank = adapter.Target.Rank,
        Alpha = adapter.Target.Alpha,
        RankStabilized = adapter.Target.RankStabilized,
        Scaling = adapter.Scaling,
        Dropout = adapter.Dropout,
        TrainA = IsTrained(adapter, LinearAdapter.Names.A),
        TrainB = IsTrained(adapter, LinearAdapter.Names.B),
        Correction = adapter.Correction switch
        {
            null => CorrectionKind.None,
            { Subtracted: not null } => CorrectionKind.Subtracted,
            _ => CorrectionKind.Replaced,
        },
    };

    /// <summary>The target in a model, checked: the description may come from a damaged file.</summary>
    /// <param name="shapes">out and in of the model's linear layers by name.</param>
    /// <exception cref="InvalidDataException">The layer does not exist or a number is out of range.</exception>
    public AdapterTarget Target(IReadOnlyDictionary<string, (int Outputs, int Inputs)> shapes)
    {
        if (!shapes.TryGetValue(Module, out var shape))
            throw new InvalidDataException($"The model has an adapter on '{Module}', a layer that its base does not have.");
        if (Rank < 1)
            throw new InvalidDataException($"The adapter on '{Module}' has the rank {Rank}; it must be at least 1.");
        if (!double.IsFinite(Alpha) || Dropout is not (>= 0 and < 1))
            throw new InvalidDataException($"The adapter on '{Module}' has alpha {Alpha} and dropout {Dropout}, which are out of range.");
        var target = new AdapterTarget(Module, shape.Inputs, shape.Outputs, Rank, Alpha, RankStabilized);
        return Math.Abs(target.Scaling - Scaling) <= 1e-9 * Math.Abs(Scaling) ? target
            : throw new InvalidDataException($"The adapter on '{Module}' names the scaling {Scaling}, but its rank and alpha give {target.Scaling}.");
    }

    /// <summary>Names and shapes of the adapter's tensors.</summary>
    public IEnumerable<(string Name, long[] Shape)> Layout(AdapterTarget target, AdapterKind kind)
    {
        foreach (var (suffix, shape) in kind.Layout(target))
            yield return (Module + suffix, shape);
        if (Correction == CorrectionKind.Replaced)
            yield return (Module + BaseCorrection.Names.Replacement, [target.OutFeatures, target.InFeatures]);
        if (Correction != CorrectionKind.Subtracted)
            yield break;
        yield return (Module + BaseCorrection.Names.InitialA, [target.Rank, target.InFeatures]);
        yield return (Module + BaseCorrection.Names.InitialB, [target.OutFeatures, target.Rank]);
        if (kind.HasMiddle)
            yield return (Module + BaseCorrection.Names.InitialN, [target.Rank, target.Rank]);
    }

    /// <summary>What builds the adapter again from its tensors, which stay the caller's.</summary>
    public AdapterBlueprint Blueprint(AdapterTarget target, AdapterKind kind, IReadOnlyDictionary<string, Tensor> tensors)
    {
        var correction = Correction switch
        {
            CorrectionKind.Subtracted => BaseCorrection.Subtract(new(Find(BaseCorrection.Names.InitialA)!, Find(BaseCorrection.Names.InitialB)!, Find(BaseCorrection.Names.InitialN))),
            CorrectionKind.Replaced => BaseCorrection.Replace(Find(BaseCorrection.Names.Replacement)!),
            _ => null,
        };
        return new(target, kind, kind.Layout(target).ToDictionary(p => p.Suffix, p => tensors[Module + p.Suffix], StringComparer.Ordinal), correction, Dropout, TrainA, TrainB);

        Tensor? Find(string suffix) => tensors.GetValueOrDefault(Module + suffix);
    }

    // What an adapter does not have is not frozen.
    private static bool IsTrained(LinearAdapter adapter, string suffix) =>
        adapter.Parameters.FirstOrDefault(p => p.Name == adapter.Target.ModuleName + suffix)?.Trained ?? true;
}
