using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Quantization;

/// <summary>
/// QLoRA's double quantisation (arXiv 2305.14314, section 3): the NF4 blocks' scales, less their mean, in 8 bits with one
/// fp32 scale for each 256. The 8-bit numbers are the signed dynamic tree of arXiv 2110.02861, which spends its precision
/// on seven decades; it is what bitsandbytes uses here.
/// </summary>
internal sealed class ScaleQuantization : IDisposable
{
    /// <summary>Scales that share one fp32 scale.</summary>
    public const int BlockSize = 256;

    private static readonly float[] Codes = DynamicTree();
    private static readonly DeviceTable Table = new(Codes, 256);

    private readonly Tensor _codes;
    private readonly Tensor _blockScales;
    private readonly float _mean;

    private ScaleQuantization(Tensor codes, Tensor blockScales, float mean)
    {
        _codes = codes;
        _blockScales = blockScales;
        _mean = mean;
    }

    public long Bytes => _codes.numel() + (_blockScales.numel() + 1) * sizeof(float);

    /// <param name="scales">[n], fp32.</param>
    public static ScaleQuantization Quantize(Tensor scales)
    {
        using var scope = NewDisposeScope();
        long count = scales.numel();
        long blocks = (count + BlockSize - 1) / BlockSize;
        // In fp64, where the order of the sum, which depends on the number of threads, does not reach the result.
        var mean = (float)scales.to(ScalarType.Float64).mean().item<double>();
        var centred = nn.functional.pad(scales.Sub(mean), [0L, blocks * BlockSize - count]).view(blocks, BlockSize);
        var blockScales = centred.abs().amax([1L]);
        var normalized = (centred / blockScales.ClampMin(float.Epsilon).unsqueeze(1)).reshape(-1).narrow(0, 0, count);
        var midpoints = tensor(Codes.Zip(Codes.Skip(1), (a, b) => (a + b) / 2).ToArray(), device: scales.device);
        var codes = normalized.bucketize(midpoints).to(ScalarType.Byte);
        return new ScaleQuantization(codes.DetachFromDisposeScope(), blockScales.DetachFromDisposeScope(), mean);
    }

    /// <summary>[n], fp32.</summary>
    public Tensor Dequantize()
    {
        using var scope = NewDisposeScope();
        var values = Table.On(_codes.device).index_select(0, _codes.to(ScalarType.Int32));
        var scales = _blockScales.unsqueeze(1).expand(-1, BlockSize).reshape(-1).narrow(0, 0, values.shape[0]);
        // A scale is a size: where rounding takes a tiny one below zero, it is zero.
        return values.mul_(scales).Add_(_mean).ClampMin_(0).MoveToOuterDisposeScope();
    }

    /// <summary>A copy on a device, to be disposed apart from this.</summary>
    public ScaleQuantization To(Device device)
    {
        using var scope = NewDisposeScope();
        return new(_codes.to(device, true).DetachFromDisposeScope(), _blockScales.to(device, true).DetachFromDisposeScope(), _mean);
    }

    // 7 decades; decade i has 2^i numbers of each sign, in the middles of equal parts of [0.1, 1]; with 0 and 1: 256.
    private static float[] DynamicTree()
    {
        var codes = new List<float> { 0f, 1f };
        for (int decade = 0; decade < 7; decade++)
        {
            int parts = 1 << decade;
            for (int i = 0; i < parts; i++)
            {
                var value = (float)((0.1 + 0.9 * (i + 0.5) / parts) * Math.Pow(10, decade - 6));
                codes.Add(value);
                codes.Add(-value);
            }
        }
        codes.Sort();
        return [.. codes];
    }

    public void Dispose()
    {
        _codes.Dispose();
        _blockScales.Dispose();
    }
}
