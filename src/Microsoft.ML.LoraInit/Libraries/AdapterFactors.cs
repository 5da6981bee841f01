using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>
/// What an adapter adds beside a shared base, checked, in fp32 on the CPU: corrections by layer and a head. Tensors are the state's own
/// or belong to the dispose scope of the construction.
/// </summary>
internal sealed class AdapterFactors
{
    /// <param name="state">Plain LoRA or DoRA over the untouched base.</param>
    /// <param name="baseTensor">A tensor of the untouched base by full name, fp32 on the CPU; asked for only with DoRA.</param>
    /// <exception cref="InvalidDataException">Numbers are not finite.</exception>
    public AdapterFactors(FineTunedState state, Func<string, Tensor> baseTensor)
    {
        using var noGrad = no_grad();
        Dense = HeadLayer(RobertaNames.HeadDense);
        Projection = HeadLayer(RobertaNames.HeadProjection);
        foreach (var tensor in (Tensor[])[Dense.Weight, Dense.Bias, Projection.Weight, Projection.Bias])
            Check(FiniteNumbers.Largest(tensor), "its head");
        Corrections = [.. state.Adapters.Select(a => Correction(a.Target)).OrderBy(c => c.Layer).ThenBy(c => c.Module)];

        (Tensor, Tensor) HeadLayer(string name) => (state.Tensors[$"{name}.weight"], state.Tensors[$"{name}.bias"]);

        (int Layer, EncoderModule Module, LayerCorrection Correction) Correction(AdapterTarget target)
        {
            var (layer, module) = Place(target.ModuleName);
            var (a, b) = (state.Tensors[target.ModuleName + LinearAdapter.Names.A], state.Tensors[target.ModuleName + LinearAdapter.Names.B]);
            var (largestA, largestB) = (FiniteNumbers.Largest(a), FiniteNumbers.Largest(b));
            Check(largestA, "its factors");
            Check(largestB, "its factors");
            // The bounds that a merged model's weights have: a product of factors is not computed where it cannot be beyond.
            if (Math.Abs(target.Scaling) * largestA * largestB * target.Rank > FiniteNumbers.MostOfWeights)
                Check(FiniteNumbers.Largest(b.matmul(a).Mul(target.Scaling)), $"what it adds to the layer {layer}, {module}");
            if (!state.Tensors.TryGetValue(target.ModuleName + LinearAdapter.Names.Magnitude, out var magnitude))
                return (layer, module, new(a, b, target.Scaling, null, null));
            var gain = magnitude / DoraAdapter.InitialMagnitude(baseTensor($"{target.ModuleName}.weight"), a, b, target.Scaling);
            var bias = baseTensor($"{target.ModuleName}.bias");
            var shift = bias - (gain * bias);
            Check(FiniteNumbers.Largest(gain), "its magnitudes");
            Check(FiniteNumbers.Largest(shift), "its magnitudes");
            return (layer, module, new(a, b, target.Scaling, gain, shift));
        }

        void Check(double largest, string what)
        {
            if (!double.IsFinite(largest) || largest > FiniteNumbers.MostOfWeights)
                throw new InvalidDataException($"The adapter over '{state.Base.Id}' holds numbers that are not finite or beyond ±{FiniteNumbers.MostOfWeights:N0} ({what}), from which no scores can be computed. It is damaged, or its training diverged: get or train it again.");
        }
    }

    /// <summary>In the model's order.</summary>
    public IReadOnlyList<(int Layer, EncoderModule Module, LayerCorrection Correction)> Corrections { get; }

    /// <summary>The head's first layer: weight [hidden, hidden] and bias [hidden].</summary>
    public (Tensor Weight, Tensor Bias) Dense { get; }

    /// <summary>The head's last layer: weight [outputs, hidden] and bias [outputs].</summary>
    public (Tensor Weight, Tensor Bias) Projection { get; }

    private static (int Layer, EncoderModule Module) Place(string name)
    {
        var layer = AdapterPlanner.LayerIndex(name) ?? throw new InvalidDataException($"'{name}' lies in no layer of the encoder.");
        return (layer, RobertaNames.Module(layer, name) ?? throw new InvalidDataException($"'{name}' is no linear layer of the encoder."));
    }
}
