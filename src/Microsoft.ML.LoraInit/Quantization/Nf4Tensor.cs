using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Quantization;

/// <summary>
/// A weight held in NF4: two codes a byte and a scale for each 64 weights. 4.5 bits a weight with fp32 scales, 4.127 with
/// double quantisation. Owns its tensors.
/// </summary>
internal sealed class Nf4Tensor : IDisposable
{
    private readonly Tensor? _scales;
    private readonly ScaleQuantization? _quantizedScales;

    internal Nf4Tensor(long[] shape, Tensor codes, Tensor? scales, ScaleQuantization? quantizedScales)
    {
        Shape = shape;
        Codes = codes;
        _scales = scales;
        _quantizedScales = quantizedScales;
    }

    public long[] Shape { get; }

    /// <summary>Bytes [blocks × 32]: the earlier weight in the upper four bits.</summary>
    public Tensor Codes { get; }

    /// <summary>The bytes that are held for the weight.</summary>
    public long Bytes => Codes.numel() + (_scales?.numel() * sizeof(float) ?? _quantizedScales!.Bytes);

    /// <summary>The weight in its shape; a new tensor each time.</summary>
    public Tensor Dequantize(ScalarType dtype = ScalarType.Float32)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        // A byte names two levels at once, so no code is ever unpacked.
        var levels = Nf4.LevelPairs.On(Codes.device).index_select(0, Codes.to(ScalarType.Int32)).view(-1, Nf4.BlockSize);
        var scales = _scales ?? _quantizedScales!.Dequantize();
        var values = levels.mul_(scales.unsqueeze(1)).view(-1).narrow(0, 0, Shape.Aggregate(1L, (a, b) => a * b));
        return values.view(Shape).to(dtype).MoveToOuterDisposeScope();
    }

    /// <summary>A copy on a device, to be disposed apart from this.</summary>
    public Nf4Tensor To(Device device)
    {
        using var scope = NewDisposeScope();
        return new(Shape, Copy(Codes), _scales is null ? null : Copy(_scales), _quantizedScales?.To(device));

        Tensor Copy(Tensor tensor) => tensor.to(device, true).DetachFromDisposeScope();
    }

    public void Dispose()
    {
        Codes.Dispose();
        _scales?.Dispose();
        _quantizedScales?.Dispose();
    }
}
