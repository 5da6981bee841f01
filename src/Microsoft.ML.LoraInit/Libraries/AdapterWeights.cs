using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>An adapter in the form that scores beside a shared base: corrections by layer, and a head in fp32.</summary>
internal sealed class AdapterWeights : IAdapterCorrections, IDisposable
{
    private readonly Dictionary<(int Layer, EncoderModule Module), LayerCorrection> _corrections = [];
    private readonly bool _isShared;

    /// <param name="state">Plain LoRA or DoRA over the untouched base. Its tensors' memory is shared where device and type are theirs.</param>
    /// <param name="baseTensor">A tensor of the untouched base by full name, fp32 on the CPU; asked for only with DoRA.</param>
    /// <param name="device">Where the base is.</param>
    /// <param name="type">The base's type.</param>
    /// <exception cref="InvalidDataException">Numbers are not finite.</exception>
    public AdapterWeights(FineTunedState state, Func<string, Tensor> baseTensor, Device device, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Head = new(HeadLayer(RobertaNames.HeadDense), HeadLayer(RobertaNames.HeadProjection));
        foreach (var adapter in state.Adapters)
            _corrections.Add(Place(adapter.Target.ModuleName), Correction(adapter.Target));
        // A tensor that is already what is wanted shares the state's memory.
        _isShared = device.type == TorchSharp.DeviceType.CPU && type == ScalarType.Float32;
        Check(state);
        foreach (var tensor in Tensors)
            tensor.DetachFromDisposeScope();

        LayerCorrection Correction(AdapterTarget target)
        {
            var (a, b) = (state.Tensors[target.ModuleName + LinearAdapter.Names.A], state.Tensors[target.ModuleName + LinearAdapter.Names.B]);
            if (!state.Tensors.TryGetValue(target.ModuleName + LinearAdapter.Names.Magnitude, out var magnitude))
                return new(Own(a, type), Own(b, type), target.Scaling, null, null);
            var gain = magnitude / DoraAdapter.InitialMagnitude(baseTensor($"{target.ModuleName}.weight"), a, b, target.Scaling);
            var bias = baseTensor($"{target.ModuleName}.bias");
            return new(Own(a, type), Own(b, type), target.Scaling, Own(gain, type), Own(bias - (gain * bias), type));
        }

        (Tensor, Tensor) HeadLayer(string name) =>
            (Own(state.Tensors[$"{name}.weight"], ScalarType.Float32), Own(state.Tensors[$"{name}.bias"], ScalarType.Float32));

        Tensor Own(Tensor value, ScalarType wanted) => value.alias().to(wanted).to(device);
    }

    /// <summary>From first tokens' states to logits.</summary>
    public ScoringHead Head { get; }

    /// <summary>Bytes held beside those of the state.</summary>
    public long OwnBytes => (_isShared ? _corrections.Values.SelectMany(c => new[] { c.Gain, c.Shift }.OfType<Tensor>()) : Tensors)
        .Sum(t => t.numel() * t.ElementSize);

    /// <summary>Everything held.</summary>
    public IEnumerable<Tensor> Tensors => _corrections.Values.SelectMany(c => c.Tensors).Concat(Head.Tensors);

    public bool Corrects(int layer, EncoderModule module) => _corrections.ContainsKey((layer, module));

    public void Correct(int layer, EncoderModule module, Tensor x, Tensor y) => _corrections[(layer, module)].Apply(x, y);

    public void Dispose()
    {
        foreach (var tensor in Tensors)
            tensor.Dispose();
    }

    // The bounds that a merged model's weights have: a product of factors is not computed where it cannot be beyond.
    private void Check(FineTunedState state)
    {
        if (Tensors.FirstOrDefault(t => !FiniteNumbers.Hold(t, FiniteNumbers.MostOfWeights)) is not null)
            throw Bad("its factors or its head");
        foreach (var (place, c) in _corrections)
            if (Math.Abs(c.Scaling) * Largest(c.A) * Largest(c.B) * c.A.shape[0] > FiniteNumbers.MostOfWeights
                && !FiniteNumbers.Hold(c.B.to(ScalarType.Float32).matmul(c.A.to(ScalarType.Float32)).Mul(c.Scaling), FiniteNumbers.MostOfWeights))
                throw Bad($"what it adds to the layer {place.Layer}, {place.Module}");

        InvalidDataException Bad(string what) => new($"The adapter over '{state.Base.Id}' holds numbers that are not finite or beyond ±{FiniteNumbers.MostOfWeights:N0} ({what}), from which no scores can be computed. It is damaged, or its training diverged: get or train it again.");

        static double Largest(Tensor value) => value.numel() == 0 ? 0 : value.abs().max().to(ScalarType.Float64).item<double>();
    }

    private static (int Layer, EncoderModule Module) Place(string name)
    {
        var layer = AdapterPlanner.LayerIndex(name) ?? throw new InvalidDataException($"'{name}' lies in no layer of the encoder.");
        return (layer, RobertaNames.Module(layer, name) ?? throw new InvalidDataException($"'{name}' is no linear layer of the encoder."));
    }
}
