using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries;

/// <summary>An adapter by itself: corrections by layer, and a head in fp32.</summary>
internal sealed class SeparateWeights : IAdapterWeights, IAdapterCorrections
{
    private readonly Dictionary<(int Layer, EncoderModule Module), LayerCorrection> _corrections = [];
    private readonly bool _isShared;

    /// <param name="factors">What it adds. Their memory is shared where device and type are theirs.</param>
    /// <param name="device">Where the base is.</param>
    /// <param name="type">The base's type.</param>
    public SeparateWeights(AdapterFactors factors, Device device, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Head = new((Own(factors.Dense.Weight, ScalarType.Float32), Own(factors.Dense.Bias, ScalarType.Float32)),
            (Own(factors.Projection.Weight, ScalarType.Float32), Own(factors.Projection.Bias, ScalarType.Float32)));
        foreach (var (layer, module, c) in factors.Corrections)
            _corrections.Add((layer, module), c with
            {
                A = Own(c.A, type),
                B = Own(c.B, type),
                Gain = c.Gain is null ? null : Own(c.Gain, type),
                Shift = c.Shift is null ? null : Own(c.Shift, type),
            });
        // A tensor that is already what is wanted shares the state's memory.
        _isShared = device.type == TorchSharp.DeviceType.CPU && type == ScalarType.Float32;
        foreach (var tensor in Tensors)
            tensor.DetachFromDisposeScope();

        Tensor Own(Tensor value, ScalarType wanted) => value.alias().to(wanted).to(device);
    }

    /// <summary>From first tokens' states to logits.</summary>
    public ScoringHead Head { get; }

    public int Outputs => Head.Outputs;

    public long OwnBytes => (_isShared ? _corrections.Values.SelectMany(c => new[] { c.Gain, c.Shift }.OfType<Tensor>()) : Tensors)
        .Sum(t => t.numel() * t.ElementSize);

    /// <summary>Everything held.</summary>
    public IEnumerable<Tensor> Tensors => _corrections.Values.SelectMany(c => c.Tensors).Concat(Head.Tensors);

    public bool Corrects(int layer, ReadOnlySpan<EncoderModule> modules)
    {
        foreach (var module in modules)
            if (_corrections.ContainsKey((layer, module)))
                return true;
        return false;
    }

    public void Correct(int layer, ReadOnlySpan<EncoderModule> modules, Tensor x, Tensor y)
    {
        long width = y.shape[2] / modules.Length;
        for (int i = 0; i < modules.Length; i++)
            if (_corrections.TryGetValue((layer, modules[i]), out var correction))
                correction.Apply(x, y.narrow(2, i * width, width));
    }

    public void Dispose()
    {
        foreach (var tensor in Tensors)
            tensor.Dispose();
    }
}
