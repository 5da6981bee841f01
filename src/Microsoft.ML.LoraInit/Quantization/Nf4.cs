using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Quantization;

/// <summary>
/// NormalFloat-4 (QLoRA, arXiv 2305.14314, appendix E): 16 levels at the quantiles of a normal distribution, scaled to
/// [−1, 1] with an exact zero; weights go in blocks of 64, each divided by its largest size.
/// </summary>
internal static class Nf4
{
    /// <summary>Weights that share one scale.</summary>
    public const int BlockSize = 64;

    /// <summary>The 16 levels, ascending, as the paper prints them.</summary>
    public static ReadOnlySpan<float> Levels =>
    [
        -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
        -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
        0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
        0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f,
    ];

    /// <summary>What each byte of two codes stands for, [256, 2].</summary>
    internal static DeviceTable LevelPairs { get; } = new([.. Enumerable.Range(0, 256).SelectMany(b => new[] { Levels[b >> 4], Levels[b & 15] })], 256, 2);

    /// <summary>Quantises and packs. Nearest level wins.</summary>
    /// <param name="weight">Any shape and floating type.</param>
    /// <param name="doubleQuantization">Whether the blocks' scales are themselves held in 8 bits (see <see cref="ScaleQuantization"/>).</param>
    public static Nf4Tensor Quantize(Tensor weight, bool doubleQuantization = true)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        long count = weight.numel();
        long blocks = (count + BlockSize - 1) / BlockSize;
        var padded = nn.functional.pad(weight.to(ScalarType.Float32).reshape(-1), [0L, blocks * BlockSize - count]).view(blocks, BlockSize);
        var scales = padded.abs().amax([1L]);                                              // [blocks]
        // An all-zero block has scale 0 and codes of zero; the division must only not make NaN of it.
        var normalized = padded / scales.ClampMin(float.Epsilon).unsqueeze(1);
        var codes = normalized.reshape(-1).bucketize(Midpoints(weight.device)).to(ScalarType.Byte);
        var pairs = codes.view(-1, 2);
        var bytes = pairs.select(1, 0).Mul(16).Add(pairs.select(1, 1));
        var held = doubleQuantization ? ScaleQuantization.Quantize(scales) : null;
        return new Nf4Tensor(
            weight.shape,
            bytes.DetachFromDisposeScope(),
            held is null ? scales.DetachFromDisposeScope() : null,
            held);
    }

    /// <summary>What remains of a weight after quantising and dequantising it, fp32, in its shape.</summary>
    public static Tensor RoundTrip(Tensor weight, bool doubleQuantization = true)
    {
        using var quantized = Quantize(weight, doubleQuantization);
        return quantized.Dequantize();
    }

    private static Tensor Midpoints(Device device)
    {
        var midpoints = new float[Levels.Length - 1];
        for (int i = 0; i < midpoints.Length; i++)
            midpoints[i] = (Levels[i] + Levels[i + 1]) / 2;
        return tensor(midpoints, device: device);
    }
}
