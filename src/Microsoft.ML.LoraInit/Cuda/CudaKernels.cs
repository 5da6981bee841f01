using Microsoft.ML.LoraInit.Fused;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <summary>
/// The fused encoder's operations as one kernel each, for BFloat16 and Float32 tensors with arithmetic in fp32. Kernels are
/// compiled at their first use, so a shape must have been computed once before it is captured into a graph.
/// </summary>
internal sealed partial class CudaKernels : EncoderKernels
{
    private const int Block = 256;

    /// <summary>Elements that a lane holds in registers at most.</summary>
    private const int LaneElements = 32;

    private readonly KernelLauncher _launcher;

    private CudaKernels(KernelLauncher launcher) => _launcher = launcher;

    /// <summary>The kernels, or null where they cannot be compiled or run, and why, the compiler's messages included.</summary>
    /// <param name="device">A CUDA device.</param>
    /// <param name="type">The activations' type.</param>
    /// <param name="why">Why there are none.</param>
    public static CudaKernels? TryCreate(Device device, ScalarType type, out string? why)
    {
        if (type is not (ScalarType.BFloat16 or ScalarType.Float32))
        {
            why = $"there are kernels for BFloat16 and Float32, not for {type}";
            return null;
        }
        (KernelProgram, string)[] first = [(GeluProgram(type), "gelu_wide"), (HeadsProgram(type), "split_heads_wide"), (MaskProgram(type), "mask_wide")];
        return KernelLauncher.TryCreate(device, first, out why) is { } launcher ? new CudaKernels(launcher) : null;
    }

    public override Tensor Gelu(Tensor x)
    {
        _launcher.Check(x, nameof(x), x.dtype, x.numel());
        var output = empty(x.shape, x.dtype, x.device);
        Elementwise(GeluProgram(x.dtype), "gelu", x.dtype, x.numel(), KernelLauncher.Aligned(x, output),
            KernelLauncher.Value(x), KernelLauncher.Value(output), KernelLauncher.Value(x.numel()));
        return output;
    }

    public override Tensor GeluBackward(Tensor gradient, Tensor x)
    {
        _launcher.Check(x, nameof(x), x.dtype, x.numel());
        _launcher.Check(gradient, nameof(gradient), x.dtype, x.numel());
        Elementwise(GeluProgram(x.dtype), "gelu_backward", x.dtype, x.numel(), KernelLauncher.Aligned(x, gradient),
            KernelLauncher.Value(gradient), KernelLauncher.Value(x), KernelLauncher.Value(x.numel()));
        return gradient;
    }

    public override Tensor Mask(long[] shape, ScalarType type, DropoutMask dropout)
    {
        var device = new Device(TorchSharp.DeviceType.CUDA, _launcher.Device);
        if (!dropout.Drops)
            return ones(shape, type, device);
        var output = empty(shape, type, device);
        var (seed, index, threshold, scale) = Arguments(dropout);
        Elementwise(MaskProgram(type), "mask", type, output.numel(), KernelLauncher.Aligned(output),
            KernelLauncher.Value(output), KernelLauncher.Value(output.numel()), seed, index, threshold, scale);
        return output;
    }

    public override Tensor SplitHeads(Tensor x, int batch, int length, int parts, int heads)
    {
        long tokens = (long)batch * length;
        int size = HeadSize(x, tokens, parts, heads);
        _launcher.Check(x, nameof(x), x.dtype, tokens * parts * heads * size);
        var output = empty([parts, (long)batch * heads, length, size], x.dtype, x.device);
        Permute("split_heads", x, output, batch, length, parts, heads, size);
        return output;
    }

    public override Tensor JoinHeads(Tensor x, int batch, int length, int parts, int heads, long room = 0)
    {
        long tokens = (long)batch * length;
        int size = HeadSize(x, tokens, parts, heads);
        _launcher.Check(x, nameof(x), x.dtype, tokens * parts * heads * size);
        var output = RowRoom.Make(tokens, (long)parts * heads * size, room, x.dtype, x.device);
        Permute("join_heads", x, output, batch, length, parts, heads, size, room);
        return output;
    }

    private static KernelProgram GeluProgram(ScalarType type) => KernelProgram.For(type, "Element Gelu");

    private static KernelProgram HeadsProgram(ScalarType type) => KernelProgram.For(type, "Element Heads");

    private static KernelProgram MaskProgram(ScalarType type) => KernelProgram.For(type, "Element Dropout Mask");

    /// <summary>Elements in 16 bytes.</summary>
    private static int Wide(ScalarType type) => type == ScalarType.BFloat16 ? 8 : 4;

    /// <summary>Seed's address, index, threshold and 1 / keep, as every kernel with dropout takes them.</summary>
    private (ulong Seed, ulong Index, ulong Threshold, ulong Scale) Arguments(DropoutMask dropout)
    {
        if (!dropout.Drops)
            return default;
        _launcher.Check(dropout.Seed!, nameof(dropout), ScalarType.Int64, 1);
        return (KernelLauncher.Value(dropout.Seed), KernelLauncher.Value(dropout.Index), KernelLauncher.Value(dropout.Threshold),
            KernelLauncher.Value((float)(1 / dropout.Keep)));
    }

    private void Elementwise(KernelProgram program, string kernel, ScalarType type, long count, bool aligned, params ReadOnlySpan<ulong> arguments)
    {
        int wide = Wide(type);
        bool vectors = aligned && count % wide == 0;
        long threads = vectors ? count / wide : count;
        _launcher.Launch(program, kernel + (vectors ? "_wide" : "_single"), (threads + Block - 1) / Block, Block, arguments);
    }

    private static int HeadSize(Tensor x, long tokens, int parts, int heads)
    {
        long units = tokens * parts * heads;
        return units > 0 && x.numel() % units == 0 && x.numel() / units <= int.MaxValue ? (int)(x.numel() / units)
            : throw new ArgumentException($"[{string.Join(", ", x.shape)}] does not hold {tokens} tokens of {parts} parts of {heads} heads.", nameof(x));
    }

    private void Permute(string kernel, Tensor x, Tensor output, int batch, int length, int parts, int heads, int size, long room = 0)
    {
        int wide = Wide(x.dtype);
        bool vectors = size % wide == 0 && room % wide == 0 && KernelLauncher.Aligned(x, output);
        int each = vectors ? size / wide : size;
        long width = (long)parts * heads * each, stride = width + (vectors ? room / wide : room);
        if (stride > int.MaxValue)
            throw new ArgumentException($"Rows lie {stride} numbers apart, {int.MaxValue} at most.", nameof(room));
        int threads = (int)Math.Min(512, (width + 31) / 32 * 32);
        _launcher.Launch(HeadsProgram(x.dtype), kernel + (vectors ? "_wide" : "_single"), (long)batch * length, threads,
            KernelLauncher.Value(x), KernelLauncher.Value(output), KernelLauncher.Value(batch), KernelLauncher.Value(length),
            KernelLauncher.Value(parts), KernelLauncher.Value(heads), KernelLauncher.Value(each), KernelLauncher.Value((int)stride));
    }
}
