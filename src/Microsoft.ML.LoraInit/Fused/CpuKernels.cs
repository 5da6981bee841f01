using System.Runtime.InteropServices;
using Microsoft.ML.LoraInit.Cpu;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>
/// The encoder's kernels for CPUs in fp32, each one pass over its numbers: norms and GELU by <see cref="RowMath"/>, the masks of
/// <see cref="TensorKernels"/> bit for bit, and a softmax that overwrites what nobody reads any more. Other types go the way of tensors.
/// </summary>
internal sealed unsafe class CpuKernels : TensorKernels
{
    public override NormResult AddNorm(Tensor update, Tensor residual, Tensor weight, Tensor bias, double eps, DropoutMask dropout)
    {
        if (!Serves(update, residual, weight, bias))
            return base.AddNorm(update, residual, weight, bias, eps, dropout);
        int rows = (int)update.shape[0], size = (int)update.shape[1];
        var sum = dropout.Drops ? Mask(update.shape, update.dtype, dropout).mul_(update).add_(residual) : update + residual;
        var (output, means, inverses) = (empty_like(sum), empty(rows), empty(rows));
        fixed (byte* x = sum.bytes, y = output.bytes, m = means.bytes, d = inverses.bytes, g = weight.bytes, b = bias.bytes)
        {
            var (from, to, mean, inverse, scale, offset) = ((nint)x, (nint)y, (nint)m, (nint)d, (nint)g, (nint)b);
            EachRow(rows, size, row => RowMath.Normalize(
                At(from, row, size), At(to, row, size), size, At(scale), At(offset), (float)eps, out At(mean)[row], out At(inverse)[row]));
        }
        return new(output, sum, means, inverses);
    }

    public override NormGradient AddNormBackward(Tensor gradient, NormResult forward, Tensor weight, DropoutMask dropout)
    {
        if (!Serves(gradient, forward.Sum, weight, forward.Mean))
            return base.AddNormBackward(gradient, forward, weight, dropout);
        int rows = (int)gradient.shape[0], size = (int)gradient.shape[1];
        var result = empty_like(gradient);
        fixed (byte* i = gradient.bytes, x = forward.Sum.bytes, o = result.bytes, m = forward.Mean.bytes, d = forward.InverseDeviation.bytes, g = weight.bytes)
        {
            var (incoming, sum, to, mean, inverse, scale) = ((nint)i, (nint)x, (nint)o, (nint)m, (nint)d, (nint)g);
            EachRow(rows, size, row => RowMath.NormalizeGradient(
                At(incoming, row, size), At(sum, row, size), At(to, row, size), size, At(scale), At(mean)[row], At(inverse)[row]));
        }
        return new(result, dropout.Drops ? Mask(result.shape, result.dtype, dropout).mul_(result) : result);
    }

    public override Tensor Gelu(Tensor x)
    {
        if (!Serves(x))
            return base.Gelu(x);
        var result = x.clone();
        fixed (byte* y = result.bytes)
        {
            nint to = (nint)y;
            InParts(result, (start, count) => RowMath.Gelu(At(to) + start, count));
        }
        return result;
    }

    public override Tensor GeluBackward(Tensor gradient, Tensor x)
    {
        if (!Serves(gradient, x))
            return base.GeluBackward(gradient, x);
        fixed (byte* g = gradient.bytes, v = x.bytes)
        {
            var (to, from) = ((nint)g, (nint)v);
            InParts(gradient, (start, count) => RowMath.GeluGradient(At(to) + start, At(from) + start, count));
        }
        return gradient;
    }

    public override SoftmaxResult Softmax(Tensor scores, Tensor? lengths, int heads, double scale, DropoutMask dropout)
    {
        scores.mul_(scale);
        if (lengths is not null)
            scores.view(lengths.shape[0], heads, scores.shape[1], scores.shape[2]).masked_fill_(Past(lengths, scores.shape[2]), double.NegativeInfinity);
        var probabilities = scores.softmax(-1);
        return new(probabilities, dropout.Drops ? Mask(scores.shape, scores.dtype, dropout).mul_(probabilities) : probabilities);
    }

    public override Tensor SoftmaxBackward(Tensor gradient, Tensor probabilities, double scale, DropoutMask dropout)
    {
        if (dropout.Drops)
        {
            using var mask = Mask(gradient.shape, gradient.dtype, dropout);
            gradient.mul_(mask);
        }
        gradient.mul_(probabilities);
        using var sum = gradient.sum([-1L], true);
        return gradient.addcmul_(probabilities, sum, -1).mul_(scale);
    }

    public override Tensor Mask(long[] shape, ScalarType type, DropoutMask dropout)
    {
        var seed = dropout.Seed ?? throw new ArgumentException("A mask that drops nothing has no seed.", nameof(dropout));
        var count = shape.Aggregate(1L, (a, b) => a * b);
        if (type != ScalarType.Float32 || seed.device.type != DeviceType.CPU || count > int.MaxValue / sizeof(float))
            return base.Mask(shape, type, dropout);
        using var noGrad = no_grad();
        var mask = empty(shape, type);
        Fill(MemoryMarshal.Cast<byte, int>(mask.bytes), unchecked((ulong)seed.item<long>()), dropout);
        return mask;
    }

    private static bool Serves(params ReadOnlySpan<Tensor> tensors)
    {
        foreach (var tensor in tensors)
            if (!TensorGemm.Serves(tensor) || tensor.numel() > int.MaxValue)
                return false;
        return true;
    }

    private static float* At(nint pointer, int row = 0, int size = 0) => (float*)pointer + ((long)row * size);

    // Some ten operations an element.
    private static void EachRow(int rows, int size, Action<int> body) =>
        new CpuTeam(get_num_threads()).For(rows, 10L * size, (first, end) =>
        {
            for (int row = first; row < end; row++)
                body(row);
        });

    private static void InParts(Tensor tensor, Action<int, int> body)
    {
        const int Part = 1024;
        int count = (int)tensor.numel();
        new CpuTeam(get_num_threads()).For((count + Part - 1) / Part, 30L * Part, (first, end) =>
            body(first * Part, Math.Min(count, end * Part) - (first * Part)));
    }

    /// <summary>Writes the bits of 1 / keep or of 0, four elements a hash.</summary>
    private static void Fill(Span<int> mask, ulong seed, DropoutMask dropout)
    {
        var start = SeededRandom.Mix(unchecked(seed + (ulong)dropout.Index * Golden));
        var (kept, threshold) = (BitConverter.SingleToInt32Bits((float)(1 / dropout.Keep)), dropout.Threshold);
        ulong counter = start;
        int i = 0;
        for (; i + Lanes <= mask.Length; i += Lanes, counter += Golden)
        {
            var hash = SeededRandom.Mix(counter);
            var lanes = mask.Slice(i, Lanes);
            lanes[0] = Lane(hash, 0);
            lanes[1] = Lane(hash, 1);
            lanes[2] = Lane(hash, 2);
            lanes[3] = Lane(hash, 3);
        }
        var last = SeededRandom.Mix(counter);
        for (int lane = 0; i < mask.Length; i++, lane++)
            mask[i] = Lane(last, lane);

        // All ones where the lane is below the threshold, without a branch that would be guessed wrong.
        int Lane(ulong hash, int lane) => (((int)(hash >> (LaneBits * lane)) & ((1 << LaneBits) - 1)) - threshold >> 31) & kept;
    }
}
