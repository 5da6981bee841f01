using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>Everything that makes one adapter, apart from the layer it sits on.</summary>
/// <param name="Target">The layer, the rank and the scale.</param>
/// <param name="Kind">The form.</param>
/// <param name="Factors">The current factors; copied when an adapter is built.</param>
/// <param name="Magnitude">DoRA's m [out], or null to start from the layer's own norms.</param>
/// <param name="Correction">What was done to the base weight; the adapter takes it over.</param>
/// <param name="Dropout">Probability of dropping an element of the adapter's input.</param>
/// <param name="TrainA">Whether A is trained.</param>
/// <param name="TrainB">Whether B is trained.</param>
/// <param name="Start">What B·A started from, where the layer keeps the untouched weight; copied when an adapter is built.</param>
internal sealed record AdapterBlueprint(
    AdapterTarget Target,
    AdapterKind Kind,
    AdapterFactors Factors,
    Tensor? Magnitude,
    BaseCorrection? Correction,
    double Dropout,
    bool TrainA,
    bool TrainB,
    AdapterFactors? Start = null)
{
    /// <summary>The adapter, its tensors on <paramref name="device"/>.</summary>
    /// <param name="weight">The layer's (corrected) base weight, for the magnitude where none is given.</param>
    /// <param name="device">Where the layer computes.</param>
    public LinearAdapter Build(Tensor weight, Device device)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var (a, b) = (Copy(Factors.A), Copy(Factors.B));
        LinearAdapter adapter = Kind switch
        {
            AdapterKind.Lora => new LoraAdapter(Target, a, b, Dropout),
            AdapterKind.Dora => new DoraAdapter(Target, a, b, Magnitude is null ? DoraAdapter.InitialMagnitude(weight, a, b, Target.Scaling) : Copy(Magnitude), Dropout),
            AdapterKind.ThreeMatrix => new ThreeMatrixAdapter(Target, a, Copy(Factors.N!), b, Dropout),
            _ => throw new InvalidOperationException($"There is no adapter of the kind {Kind}."),
        };
        adapter.Correction = Correction;
        adapter.Start = Start is null ? null : new SubtractedStart(Start, device);
        foreach (var parameter in adapter.Parameters)
            parameter.Trained = parameter.Name.EndsWith(LinearAdapter.Names.A, StringComparison.Ordinal) ? TrainA
                : !parameter.Name.EndsWith(LinearAdapter.Names.B, StringComparison.Ordinal) || TrainB;
        return adapter;

        Tensor Copy(Tensor source) => AdapterFactors.Copy(source, device);
    }
}
