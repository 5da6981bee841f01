using Microsoft.ML.LoraInit.Quantization;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>Puts initialised adapters on a model's linear layers and corrects the base where an initialisation asks for it.</summary>
internal static class AdapterAttacher
{
    private const float Cancelled = 1e-5f; // of the factors' norms: fp32's rounding, and far from what training makes

    /// <param name="model">The model; its shared base weights are never written to.</param>
    /// <param name="targets">The layers, as planned.</param>
    /// <param name="initialized">One result a target, in the same order; their tensors are copied.</param>
    /// <param name="settings">Dropout and DoRA.</param>
    /// <exception cref="ArgumentException">DoRA was asked for together with a three-matrix initialisation.</exception>
    /// <exception cref="InvalidOperationException">A result does not fit its target.</exception>
    public static void Attach(RobertaClassifier model, IReadOnlyList<AdapterTarget> targets, IReadOnlyList<InitializedAdapter> initialized, AdapterSettings settings)
    {
        if (initialized.Count != targets.Count)
            throw new InvalidOperationException($"The initialisation made {initialized.Count} adapters for {targets.Count} layers.");
        var linears = model.Linears.ToDictionary(l => l.Name, StringComparer.Ordinal);
        using var noGrad = no_grad();
        foreach (var (planned, start) in targets.Zip(initialized))
        {
            // The data gave this layer no rank: it stays as it is.
            if (start.Rank == 0)
                continue;
            using var scope = NewDisposeScope();
            var target = planned with { Rank = start.Rank, Alpha = start.Alpha ?? planned.Alpha };
            var factors = new AdapterFactors(start.A, start.B, start.N);
            factors.Check(target);
            if (start.ReplacementBase is not null)
                AdapterFactors.Check(target, "the base weight", start.ReplacementBase, target.OutFeatures, target.InFeatures);
            if (start.N is not null && settings.UseDora)
                throw new ArgumentException("UseDora cannot be combined with a three-matrix initialisation: there is no magnitude for B·N·A. Turn UseDora off or choose another initialisation.");

            var correction = Correction(start, factors);
            var kind = start.N is not null ? AdapterKind.ThreeMatrix : settings.UseDora ? AdapterKind.Dora : AdapterKind.Lora;
            Attach(model, linears[target.ModuleName], new(target, kind, AdapterBlueprint.PartsOf(factors), correction, settings.Dropout, !start.FreezeA, !start.FreezeB));
        }
    }

    /// <summary>What an initialisation did to the base weight, or null.</summary>
    /// <param name="start">The initialisation's result.</param>
    /// <param name="factors">The product that is subtracted where one is.</param>
    public static BaseCorrection? Correction(InitializedAdapter start, AdapterFactors factors) =>
        start.ReplacementBase is not null ? BaseCorrection.Replace(start.ReplacementBase)
        : start.SubtractFromBase ? BaseCorrection.Subtract(factors)
        : null;

    /// <summary>Puts one adapter on its layer: the way of fresh and of stored adapters.</summary>
    public static void Attach(RobertaClassifier model, Linear linear, AdapterBlueprint blueprint)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        if (blueprint.Correction is null)
        {
            if (linear.Weight.ComputeType != ScalarType.Float32 && Cancelling(blueprint) is { } cancelling)
                blueprint = blueprint with { Start = cancelling };
            linear.Adapter = blueprint.Build(linear.Weight.Value, model.Device);
            return;
        }
        var weight = linear.Weight.Value;
        var corrected = blueprint.Correction.Apply(weight.to(ScalarType.Float32), blueprint.Target.Scaling);
        if (linear.Weight.Quantized is not null)
            Repack(linear, corrected);
        else if (weight.dtype != ScalarType.Float32 && blueprint.Correction.Subtracted is { } start)
            blueprint = blueprint with { Start = start };
        else
            linear.Weight.Replace(corrected.to(weight.dtype));
        linear.Adapter = blueprint.Build(corrected, model.Device);
    }

    /// <summary>
    /// The factors of a product whose terms cancel (PEFT's <c>orthogonal</c>), or null. In half precision they do not, each term being
    /// rounded by itself; as a start that is taken off they do, and what is taken off is nothing in fp32.
    /// </summary>
    private static AdapterFactors? Cancelling(AdapterBlueprint blueprint)
    {
        if (blueprint.Kind != AdapterKind.Lora && blueprint.Kind != AdapterKind.Dora)
            return null;
        var factors = blueprint.Kind.Factors(blueprint.Target, suffix => blueprint.Parts[suffix])!;
        var most = (factors.A.norm() * factors.B.norm()).item<float>();
        return most > 0 && factors.Product().norm().item<float>() < Cancelled * most ? factors : null;
    }

    /// <summary>
    /// Packs a weight that lies on NF4's levels already, as LoftQ's base does. With the scales in fp32 that loses nothing: the
    /// largest of each block is ± its scale, so scale and codes come out as they were.
    /// </summary>
    private static void Repack(Linear linear, Tensor weight)
    {
        var quantized = Nf4.Quantize(weight, doubleQuantization: false);
        if (!quantized.Dequantize().allclose(weight, 1e-6, 0))
        {
            quantized.Dispose();
            throw new InvalidOperationException($"The initialisation gave '{linear.Name}' a base weight that does not lie on NF4's levels, and the base is held in 4 bits.");
        }
        linear.Weight.Replace(quantized);
    }
}
