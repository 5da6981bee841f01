using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>The encoder's kernels in tensor operations: slow and plain, for any device and precision; sums are in fp32.</summary>
internal class TensorKernels : EncoderKernels
{
    public override NormResult AddNorm(Tensor update, Tensor residual, Tensor weight, Tensor bias, double eps, DropoutMask dropout, long room = 0)
    {
        var sum = (dropout.Drops ? update * Mask(update.shape, update.dtype, dropout) : update).Add(residual);
        var wide = sum.to(ScalarType.Float32);
        var mean = wide.mean([-1L], true);
        var centred = wide - mean;
        var inverse = centred.Square().mean([-1L], true).Add_(eps).rsqrt_();
        var output = centred.mul_(inverse).mul_(weight).Add_(bias).to(update.dtype);
        return new MeasuredNorm(RowRoom.Copy(output, room), sum, mean.squeeze(-1), inverse.squeeze(-1));
    }

    public override NormGradient AddNormBackward(Tensor gradient, NormResult forward, Tensor weight, DropoutMask dropout)
    {
        var measured = (MeasuredNorm)forward;
        var inverse = measured.InverseDeviation.unsqueeze(-1);
        var unit = (measured.Sum.to(ScalarType.Float32) - measured.Mean.unsqueeze(-1)).mul_(inverse);
        var scaled = gradient.to(ScalarType.Float32) * weight;
        var sum = (scaled - scaled.mean([-1L], true)).sub_(unit * (scaled * unit).mean([-1L], true)).mul_(inverse).to(gradient.dtype);
        return new(sum, dropout.Drops ? sum * Mask(sum.shape, sum.dtype, dropout) : sum);
    }

    public override Tensor Gelu(Tensor x) => nn.functional.gelu(x);

    public override Tensor GeluBackward(Tensor gradient, Tensor x)
    {
        var wide = x.to(ScalarType.Float32);
        var cumulative = wide.Mul(Math.Sqrt(0.5)).erf_().Add_(1).Mul_(0.5);
        var density = wide.Square().Mul_(-0.5).exp_().Mul_(1 / Math.Sqrt(2 * Math.PI));
        return (gradient * density.mul_(wide).Add_(cumulative)).to(gradient.dtype);
    }

    public override Tensor SplitHeads(Tensor x, int batch, int length, int parts, int heads) =>
        x.view(batch, length, parts, heads, -1).permute(2, 0, 3, 1, 4).contiguous().view(parts, (long)batch * heads, length, -1);

    public override Tensor JoinHeads(Tensor x, int batch, int length, int parts, int heads, long room = 0) =>
        RowRoom.Copy(x.view(parts, batch, heads, length, -1).permute(1, 3, 0, 2, 4).reshape((long)batch * length, -1), room);

    public override SoftmaxResult Softmax(Tensor scores, Tensor? lengths, int heads, double scale, DropoutMask dropout)
    {
        var wide = scores.to(ScalarType.Float32).Mul(scale);
        if (lengths is not null)
        {
            wide = wide.view(lengths.shape[0], heads, scores.shape[1], scores.shape[2]).MaskedFill(Past(lengths, scores.shape[2]), double.NegativeInfinity).view(scores.shape);
        }
        var probabilities = wide.softmax(-1).to(scores.dtype);
        return new(probabilities, dropout.Drops ? probabilities * Mask(scores.shape, scores.dtype, dropout) : probabilities);
    }

    public override Tensor SoftmaxBackward(Tensor gradient, Tensor probabilities, double scale, DropoutMask dropout)
    {
        var wide = (dropout.Drops ? gradient * Mask(gradient.shape, gradient.dtype, dropout) : gradient).to(ScalarType.Float32);
        var weighted = wide * probabilities;
        return weighted.sub(probabilities * weighted.sum([-1L], true)).Mul_(scale).to(gradient.dtype);
    }

    public override void Spread(Tensor flat, Tensor? start, NumberMap map, Tensor values)
    {
        using var noGrad = no_grad();
        foreach (var block in map.Blocks)
        {
            using var scope = NewDisposeScope();
            var numbers = block.In(flat);
            if (block.Changes)
                numbers = numbers.sub(block.In(start ?? throw new ArgumentNullException(nameof(start))));
            block.Among(values, block.Place).copy_(numbers.Mul(block.Scale));
        }
    }

    public override void Collect(Tensor gradients, NumberMap map, Tensor flat)
    {
        using var noGrad = no_grad();
        foreach (var block in map.Blocks)
        {
            using var scope = NewDisposeScope();
            var numbers = block.Among(gradients, block.Place).to(ScalarType.Float32);
            if (block.Other is { } other)
                numbers = numbers.Add(block.Among(gradients, other).to(ScalarType.Float32));
            block.In(flat).Add_(numbers, block.Scale);
        }
    }

    public override Tensor Mask(long[] shape, ScalarType type, DropoutMask dropout)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var seed = dropout.Seed ?? throw new ArgumentException("A mask that drops nothing has no seed.", nameof(dropout));
        var count = shape.Aggregate(1L, (a, b) => a * b);
        var start = Mix(seed.Add(unchecked((long)((ulong)dropout.Index * Golden))));
        var hashes = Mix(Numbers.Arange((count + Lanes - 1) / Lanes, dtype: ScalarType.Int64, device: seed.device).Mul_(unchecked((long)Golden)).Add_(start));
        var lanes = Enumerable.Range(0, Lanes)
            .Select(lane => hashes.bitwise_right_shift(tensor((long)(LaneBits * lane))).bitwise_and_(tensor((1L << LaneBits) - 1))).ToArray();
        var bits = stack(lanes, 1).view(-1).narrow(0, 0, count);
        return bits.Lt((long)dropout.Threshold).to(type).Mul_(1 / dropout.Keep).view(shape).MoveToOuterDisposeScope();
    }

    protected const int LaneBits = 16;
    protected const int Lanes = 64 / LaneBits;
    protected const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>Keys behind the rows' ends, bool [batch, 1, 1, length].</summary>
    protected static Tensor Past(Tensor lengths, long length) =>
        Numbers.Arange(length, dtype: ScalarType.Int64, device: lengths.device).unsqueeze(0).ge(lengths.unsqueeze(1)).unsqueeze(1).unsqueeze(1);

    /// <summary>SplitMix64's mixer (<see cref="SeededRandom.Mix"/>) on wrapping int64, in place.</summary>
    private static Tensor Mix(Tensor z)
    {
        z = XorShift(z, 30).Mul_(unchecked((long)0xBF58476D1CE4E5B9));
        z = XorShift(z, 27).Mul_(unchecked((long)0x94D049BB133111EB));
        return XorShift(z, 31);
    }

    /// <summary>z ^= z ≫ by, the shift without the sign.</summary>
    private static Tensor XorShift(Tensor z, int by) =>
        z.bitwise_xor_(z.bitwise_right_shift(tensor((long)by)).bitwise_and_(tensor((1L << (64 - by)) - 1)));
}
