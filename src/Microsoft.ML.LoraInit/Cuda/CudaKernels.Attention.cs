using Microsoft.ML.LoraInit.Fused;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <content>Attention that keeps its scores in registers (Dao, arXiv 2307.08691).</content>
internal sealed partial class CudaKernels
{
    /// <summary>Queries or keys of a block.</summary>
    private const int AttentionTile = 64;

    private const int AttentionThreads = 128;

    /// <summary>Compute capability 8.0 brings the tensor cores' BFloat16 and asynchronous copies.</summary>
    private const int AttentionArchitecture = 80;

    public override AttentionResult? TryAttend(
        Tensor projected, int batch, int length, int heads, Tensor? lengths, double scale, DropoutMask dropout, long room = 0)
    {
        int size = HeadSize(projected, (long)batch * length, 3, heads);
        if (projected.dtype != ScalarType.BFloat16 || size is not (32 or 64) || length % 8 != 0 || _launcher.Architecture < AttentionArchitecture
            || length * ((3L * heads * size) + room) > int.MaxValue || room % 2 != 0 || !KernelLauncher.Aligned(projected) || dropout is { Drops: true, Threshold: 0 })
            return null;
        var call = new AttentionCall(_launcher, projected, batch, length, heads, size, lengths, scale, dropout);
        return new(call.Attend(Arguments(dropout)), gradient => [call.Backward(gradient, room)]);
    }

    /// <summary>One forward pass and what its backward pass needs of it.</summary>
    private sealed class AttentionCall
    {
        private readonly KernelLauncher _launcher;
        private readonly Tensor _projected, _output, _logs;
        private readonly Tensor? _lengths, _kept;
        private readonly KernelProgram _program;
        private readonly long _blocks, _forwardBlocks;
        private readonly int _length, _heads, _tiles;
        private readonly float _scale, _rescale;

        public AttentionCall(KernelLauncher launcher, Tensor projected, int batch, int length, int heads, int size, Tensor? lengths, double scale, DropoutMask dropout)
        {
            long tokens = (long)batch * length, pairs = (long)batch * heads;
            launcher.Check(projected, nameof(projected), ScalarType.BFloat16, tokens * 3 * heads * size);
            if (lengths is not null)
                launcher.Check(lengths, nameof(lengths), ScalarType.Int64, batch);
            (_launcher, _projected, _lengths, _length, _heads) = (launcher, projected, lengths, length, heads);
            (_scale, _rescale) = ((float)scale, dropout.Drops ? (float)(1 / dropout.Keep) : 1);
            _tiles = (length + AttentionTile - 1) / AttentionTile;
            // Measured on an H200: two groups of queries a warp pay with long rows, but leave no room for dropout's hashes.
            int groups = !dropout.Drops && length >= 256 ? 2 : 1;
            (_blocks, _forwardBlocks) = (pairs * _tiles, pairs * ((_tiles + groups - 1) / groups));
            _program = KernelProgram.For(ScalarType.BFloat16, "Element Dropout Keys AttentionTiles Attention AttentionBackward",
                $"SIZE={size} GROUPS={groups}{(dropout.Drops ? " DROPS" : "")}");
            _output = empty([tokens, (long)heads * size], projected.dtype, projected.device);
            _logs = empty([pairs, length], ScalarType.Float32, projected.device);
            // A bit a probability, which the backward pass reads in a hash's place.
            _kept = dropout.Drops ? empty([_blocks, _tiles, AttentionThreads], ScalarType.Int32, projected.device) : null;
        }

        public Tensor Attend((ulong Seed, ulong Index, ulong Threshold, ulong Scale) dropout)
        {
            _launcher.Launch(_program, "attend", _forwardBlocks, AttentionThreads,
                KernelLauncher.Value(_projected), KernelLauncher.Value(_lengths), KernelLauncher.Value(_output), KernelLauncher.Value(_logs), KernelLauncher.Value(_kept),
                KernelLauncher.Value(_length), KernelLauncher.Value(_heads), KernelLauncher.Value(_tiles), KernelLauncher.Value(_scale),
                dropout.Seed, dropout.Index, dropout.Threshold, KernelLauncher.Value(_rescale));
            return _output.alias(); // the caller may dispose of its own
        }

        public Tensor Backward(Tensor gradient, long room)
        {
            _launcher.Check(gradient, nameof(gradient), _output.dtype, _output.numel());
            using var copy = KernelLauncher.Aligned(gradient) ? null : gradient.clone();
            var incoming = KernelLauncher.Value(copy ?? gradient);
            long width = 3L * _output.shape[1];
            var result = RowRoom.Make(_output.shape[0], width, room, _projected.dtype, _projected.device);
            int stride = checked((int)(width + room));
            using var products = empty(_logs.shape, _logs.dtype, _logs.device);
            _launcher.Launch(_program, "attend_backward_queries", _blocks, AttentionThreads,
                KernelLauncher.Value(_projected), KernelLauncher.Value(_lengths), KernelLauncher.Value(_output), incoming, KernelLauncher.Value(_logs),
                KernelLauncher.Value(_kept), KernelLauncher.Value(result), KernelLauncher.Value(products),
                KernelLauncher.Value(_length), KernelLauncher.Value(_heads), KernelLauncher.Value(_tiles), KernelLauncher.Value(stride), KernelLauncher.Value(_scale), KernelLauncher.Value(_rescale));
            _launcher.Launch(_program, "attend_backward_keys", _blocks, AttentionThreads,
                KernelLauncher.Value(_projected), KernelLauncher.Value(_lengths), incoming, KernelLauncher.Value(_logs), KernelLauncher.Value(products),
                KernelLauncher.Value(_kept), KernelLauncher.Value(result),
                KernelLauncher.Value(_length), KernelLauncher.Value(_heads), KernelLauncher.Value(_tiles), KernelLauncher.Value(stride), KernelLauncher.Value(_scale), KernelLauncher.Value(_rescale));
            foreach (var used in new[] { _projected, _output, _logs, _kept })
                used?.Dispose();
            return result;
        }
    }
}
