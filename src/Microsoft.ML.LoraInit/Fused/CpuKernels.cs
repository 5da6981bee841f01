using System.Runtime.InteropServices;
using Microsoft.ML.LoraInit.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>
/// The encoder's kernels for CPUs in fp32: libtorch's own norm and GELU with their own backward passes, the masks of
/// <see cref="TensorKernels"/> bit for bit in one pass, and a softmax that overwrites what nobody reads any more. Other types go the way
/// of <see cref="TensorKernels"/>.
/// </summary>
internal sealed class CpuKernels : TensorKernels
{
    public override NormResult AddNorm(Tensor update, Tensor residual, Tensor weight, Tensor bias, double eps, DropoutMask dropout, long room = 0)
    {
        if (update.dtype != ScalarType.Float32)
            return base.AddNorm(update, residual, weight, bias, eps, dropout, room);
        var sum = dropout.Drops ? Mask(update.shape, update.dtype, dropout).mul_(update).Add_(residual) : update.Add(residual);
        using var tape = enable_grad();
        sum.requires_grad_(true);
        var output = nn.functional.layer_norm(sum, [sum.shape[1]], weight, bias, eps);
        return new TapedNorm(RowRoom.Copy(output.detach(), room), output, sum);
    }

    public override NormGradient AddNormBackward(Tensor gradient, NormResult forward, Tensor weight, DropoutMask dropout)
    {
        if (forward is not TapedNorm taped)
            return base.AddNormBackward(gradient, forward, weight, dropout);
        var result = Tape.Gradients(taped.Taped, gradient, taped.Sum)[0];
        return new(result, dropout.Drops ? Mask(result.shape, result.dtype, dropout).mul_(result) : result);
    }

    public override Tensor GeluBackward(Tensor gradient, Tensor x)
    {
        if (x.dtype != ScalarType.Float32)
            return base.GeluBackward(gradient, x);
        using var tape = enable_grad();
        var leaf = x.detach().requires_grad_(true);
        return Tape.Gradients(nn.functional.gelu(leaf), gradient, leaf)[0];
    }

    public override SoftmaxResult Softmax(Tensor scores, Tensor? lengths, int heads, double scale, DropoutMask dropout)
    {
        scores.Mul_(scale);
        if (lengths is not null)
            scores.view(lengths.shape[0], heads, scores.shape[1], scores.shape[2]).MaskedFill_(Past(lengths, scores.shape[2]), double.NegativeInfinity);
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
        return gradient.Addcmul_(probabilities, sum, -1).Mul_(scale);
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

    /// <summary>A norm whose backward pass is libtorch's own, through a tape of that one operation.</summary>
    private sealed record TapedNorm(Tensor Output, Tensor Taped, Tensor Sum) : NormResult(Output);
}
