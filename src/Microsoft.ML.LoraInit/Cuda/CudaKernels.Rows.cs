using Microsoft.ML.LoraInit.Fused;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cuda;

/// <content>Operations along rows: normalisation and softmax.</content>
internal sealed partial class CudaKernels
{
    private const int Warp = 32;
    private const int WarpsABlock = 4;

    public override NormResult AddNorm(Tensor update, Tensor residual, Tensor weight, Tensor bias, double eps, DropoutMask dropout, long room = 0)
    {
        var (type, device) = (update.dtype, update.device);
        var (rows, hidden) = Rows(update, nameof(update));
        _launcher.Check(update, nameof(update), type, rows * hidden);
        int residualStride = _launcher.CheckRows(residual, nameof(residual), type, rows, hidden);
        bool floats = CheckWeights(weight, nameof(weight), type, hidden);
        if (CheckWeights(bias, nameof(bias), type, hidden) != floats)
            throw new ArgumentException($"Weight is of {weight.dtype} and bias of {bias.dtype}: they must be of one type.", nameof(bias));
        var output = room == 0 ? empty(update.shape, type, device) : RowRoom.Make(rows, hidden, room, type, device);
        int outputStride = checked((int)(hidden + room));
        var sum = empty(update.shape, type, device);
        var mean = empty(rows, ScalarType.Float32, device);
        var inverse = empty(rows, ScalarType.Float32, device);
        var (seed, index, threshold, scale) = Arguments(dropout);
        bool aligned = residualStride % Wide(type) == 0 && outputStride % Wide(type) == 0 && KernelLauncher.Aligned(update, residual, weight, bias, output, sum);
        var (program, blocks, threads) = NormLaunch(type, rows, hidden, aligned);
        _launcher.Launch(program, "add_norm", blocks, threads,
            KernelLauncher.Value(update), KernelLauncher.Value(residual), KernelLauncher.Value(weight), KernelLauncher.Value(bias),
            KernelLauncher.Value(floats ? 1 : 0), KernelLauncher.Value(output), KernelLauncher.Value(sum), KernelLauncher.Value(mean),
            KernelLauncher.Value(inverse), KernelLauncher.Value((int)rows), KernelLauncher.Value((int)hidden),
            KernelLauncher.Value(residualStride), KernelLauncher.Value(outputStride), KernelLauncher.Value((float)eps),
            seed, index, threshold, scale);
        return new MeasuredNorm(output, sum, mean, inverse);
    }

    public override NormGradient AddNormBackward(Tensor gradient, NormResult forward, Tensor weight, DropoutMask dropout)
    {
        var measured = (MeasuredNorm)forward;
        var (type, device) = (gradient.dtype, gradient.device);
        var (rows, hidden) = Rows(gradient, nameof(gradient));
        _launcher.Check(gradient, nameof(gradient), type, rows * hidden);
        _launcher.Check(measured.Sum, nameof(forward), type, rows * hidden);
        _launcher.Check(measured.Mean, nameof(forward), ScalarType.Float32, rows);
        _launcher.Check(measured.InverseDeviation, nameof(forward), ScalarType.Float32, rows);
        bool floats = CheckWeights(weight, nameof(weight), type, hidden);
        var residual = empty(gradient.shape, type, device);
        var update = dropout.Drops ? empty(gradient.shape, type, device) : residual;
        var (seed, index, threshold, scale) = Arguments(dropout);
        var (program, blocks, threads) = NormLaunch(type, rows, hidden, KernelLauncher.Aligned(gradient, measured.Sum, weight, residual, update));
        _launcher.Launch(program, "add_norm_backward", blocks, threads,
            KernelLauncher.Value(gradient), KernelLauncher.Value(measured.Sum), KernelLauncher.Value(measured.Mean),
            KernelLauncher.Value(measured.InverseDeviation), KernelLauncher.Value(weight), KernelLauncher.Value(floats ? 1 : 0),
            KernelLauncher.Value(residual), KernelLauncher.Value(update), KernelLauncher.Value((int)rows), KernelLauncher.Value((int)hidden),
            seed, index, threshold, scale);
        return new NormGradient(residual, update);
    }

    public override SoftmaxResult Softmax(Tensor scores, Tensor? lengths, int heads, double scale, DropoutMask dropout)
    {
        var type = scores.dtype;
        var (rows, length) = Rows(scores, nameof(scores));
        _launcher.Check(scores, nameof(scores), type, rows * length);
        if (lengths is not null)
        {
            if (scores.dim() != 3 || heads <= 0 || scores.shape[0] % heads != 0)
                throw new ArgumentException($"Scores are [batch · {heads} heads, queries, length], not [{string.Join(", ", scores.shape)}].", nameof(scores));
            _launcher.Check(lengths, nameof(lengths), ScalarType.Int64, scores.shape[0] / heads);
        }
        // Every element is read before its place is written.
        var probabilities = scores.alias();
        var dropped = dropout.Drops ? empty(scores.shape, type, scores.device) : probabilities;
        var (seed, index, threshold, keep) = Arguments(dropout);
        var (program, blocks, threads) = SoftmaxLaunch(type, rows, length, KernelLauncher.Aligned(scores, dropped));
        _launcher.Launch(program, "softmax", blocks, threads,
            KernelLauncher.Value(scores), KernelLauncher.Value(probabilities), KernelLauncher.Value(dropped), KernelLauncher.Value(lengths),
            KernelLauncher.Value((int)rows), KernelLauncher.Value((int)length), KernelLauncher.Value(heads * (int)scores.shape[^2]), KernelLauncher.Value((float)scale),
            seed, index, threshold, keep);
        return new SoftmaxResult(probabilities, dropped);
    }

    public override Tensor SoftmaxBackward(Tensor gradient, Tensor probabilities, double scale, DropoutMask dropout)
    {
        var type = gradient.dtype;
        var (rows, length) = Rows(gradient, nameof(gradient));
        _launcher.Check(gradient, nameof(gradient), type, rows * length);
        _launcher.Check(probabilities, nameof(probabilities), type, rows * length);
        var (seed, index, threshold, keep) = Arguments(dropout);
        var (program, blocks, threads) = SoftmaxLaunch(type, rows, length, KernelLauncher.Aligned(gradient, probabilities));
        _launcher.Launch(program, "softmax_backward", blocks, threads,
            KernelLauncher.Value(gradient), KernelLauncher.Value(probabilities), KernelLauncher.Value((int)rows), KernelLauncher.Value((int)length),
            KernelLauncher.Value((float)scale), seed, index, threshold, keep);
        return gradient;
    }

    private static (long Rows, long Width) Rows(Tensor x, string name)
    {
        long width = x.dim() > 0 ? x.shape[^1] : 0;
        long rows = width > 0 ? x.numel() / width : 0;
        return width is > 0 and <= int.MaxValue && rows <= int.MaxValue ? (rows, width)
            : throw new ArgumentException($"'{name}' is [{string.Join(", ", x.shape)}] where rows are expected.", name);
    }

    /// <summary>Whether the weights are fp32 beside activations of another type.</summary>
    private bool CheckWeights(Tensor weights, string name, ScalarType type, long hidden)
    {
        bool floats = weights.dtype == ScalarType.Float32;
        _launcher.Check(weights, name, floats ? ScalarType.Float32 : type, hidden);
        return floats && type != ScalarType.Float32;
    }

    private static (KernelProgram Program, long Blocks, int Threads) NormLaunch(ScalarType type, long rows, long hidden, bool aligned)
    {
        int wide = Wide(type);
        long chunks = (hidden + Warp * wide - 1) / (Warp * wide);
        return aligned && hidden % wide == 0 && chunks * wide <= LaneElements
            ? (KernelProgram.For(type, "Element Dropout AddNorm", $"CHUNKS={chunks}"), (rows + WarpsABlock - 1) / WarpsABlock, WarpsABlock * Warp)
            : (KernelProgram.For(type, "Element Dropout AddNormBlock"), rows, Block);
    }

    private static (KernelProgram Program, long Blocks, int Threads) SoftmaxLaunch(ScalarType type, long rows, long length, bool aligned)
    {
        bool vectors = aligned && length % Wide(type) == 0;
        int wide = vectors ? Wide(type) : 1;
        long count = length / wide;
        int group = !vectors || count > 16 ? 32 : count > 8 ? 16 : count > 4 ? 8 : 4;
        long chunks = (count + group - 1) / group;
        if (chunks * wide > LaneElements)
            return (KernelProgram.For(type, "Element Dropout Keys SoftmaxBlock"), rows, Block);
        const int Threads = WarpsABlock * Warp;
        var defines = $"GROUP={group} CHUNKS={chunks}{(vectors ? " VECTOR" : "")}";
        return (KernelProgram.For(type, "Element Dropout Keys Softmax", defines), (rows * group + Threads - 1) / Threads, Threads);
    }
}
