using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>Everything that makes one adapter, apart from the layer it sits on.</summary>
/// <param name="Target">The layer, the rank and the scale.</param>
/// <param name="Kind">The form.</param>
/// <param name="Parts">The current tensors by the end of their names; copied when an adapter is built.</param>
/// <param name="Correction">What was done to the base weight; the adapter takes it over.</param>
/// <param name="Dropout">Probability of dropping an element of the adapter's input.</param>
/// <param name="TrainA">Whether A is trained, where there is one.</param>
/// <param name="TrainB">Whether B is trained, where there is one.</param>
/// <param name="Start">What B·A started from, where the layer keeps the untouched weight; copied when an adapter is built.</param>
internal sealed record AdapterBlueprint(
    AdapterTarget Target,
    AdapterKind Kind,
    IReadOnlyDictionary<string, Tensor> Parts,
    BaseCorrection? Correction,
    double Dropout,
    bool TrainA = true,
    bool TrainB = true,
    AdapterFactors? Start = null)
{
    /// <summary>The tensors of LoRA, DoRA and three-matrix adapters.</summary>
    /// <param name="factors">A, B and what lies between them.</param>
    /// <param name="magnitude">DoRA's m [out], or null to start from the layer's own norms.</param>
    public static IReadOnlyDictionary<string, Tensor> PartsOf(AdapterFactors factors, Tensor? magnitude = null)
    {
        var parts = new Dictionary<string, Tensor>(StringComparer.Ordinal) { [LinearAdapter.Names.A] = factors.A, [LinearAdapter.Names.B] = factors.B };
        if (factors.N is not null)
            parts[LinearAdapter.Names.N] = factors.N;
        if (magnitude is not null)
            parts[LinearAdapter.Names.Magnitude] = magnitude;
        return parts;
    }

    /// <summary>The adapter, its tensors on <paramref name="device"/>.</summary>
    /// <param name="weight">The layer's (corrected) base weight, for what starts from it.</param>
    /// <param name="device">Where the layer computes.</param>
    public LinearAdapter Build(Tensor weight, Device device)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var adapter = Kind.Build(new AdapterParts(Target, Dropout, Parts, device), weight);
        adapter.Correction = Correction;
        adapter.Start = Start is null ? null : new SubtractedStart(Start, device);
        foreach (var parameter in adapter.Parameters)
            parameter.Trained = Kind.Trains(parameter.Name[Target.ModuleName.Length..])
                && (parameter.Name.EndsWith(LinearAdapter.Names.A, StringComparison.Ordinal) ? TrainA
                    : !parameter.Name.EndsWith(LinearAdapter.Names.B, StringComparison.Ordinal) || TrainB);
        return adapter;
    }
}
