using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>What <see cref="AdapterMatrices"/> will hold: projections reserve memory for their matrices and say which trained numbers go where.</summary>
internal sealed class MatrixPlan
{
    /// <summary>Matrices begin at multiples of so many numbers, which 16-byte accesses need.</summary>
    private const long Alignment = 8;

    private readonly List<(Block Block, long To, double Scale, bool Changes)> _values = [];
    private readonly List<(Block Block, long First, long? Second, double Scale)> _gradients = [];

    /// <summary>Numbers of all matrices.</summary>
    public long ValueCount { get; private set; }

    /// <summary>Numbers of all their gradients.</summary>
    public long GradientCount { get; private set; }

    /// <summary>Memory for a matrix; says where it begins.</summary>
    public long ReserveValues(long count)
    {
        long start = ValueCount;
        ValueCount += RoundUp(count);
        return start;
    }

    /// <summary>Memory for a gradient; says where it begins.</summary>
    public long ReserveGradients(long count)
    {
        long start = GradientCount;
        GradientCount += RoundUp(count);
        return start;
    }

    /// <summary>A trained matrix goes to a part of a reserved one.</summary>
    /// <param name="flat">Where it begins in the flat buffer.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="columns">Its columns.</param>
    /// <param name="to">Where its first number goes.</param>
    /// <param name="stride">Numbers from a row to the next there.</param>
    /// <param name="scale">Multiplies it.</param>
    /// <param name="changes">Whether what it started from is taken off.</param>
    public void Value(long flat, long rows, long columns, long to, long stride, double scale, bool changes) =>
        _values.Add((new(flat, rows, columns, stride), to, scale, changes));

    /// <summary>Its gradient comes from a part of a reserved one, or from two of the same form.</summary>
    public void Gradient(long flat, long rows, long columns, long first, long? second, long stride, double scale) =>
        _gradients.Add((new(flat, rows, columns, stride), first, second, scale));

    /// <summary>The map of the values; the caller's.</summary>
    public SpreadMap Values(Device device)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        return new(
            Join(_values.Select(v => v.Block.Flat()), device),
            Join(_values.Select(v => v.Block.At(v.To)), device),
            Join(_values.Select(v => v.Block.All(v.Scale)), device),
            _values.Any(v => v.Changes) ? Join(_values.Select(v => v.Block.All(v.Changes ? 1 : 0)), device) : null);
    }

    /// <summary>The map of the gradients; the caller's.</summary>
    public CollectMap Gradients(Device device)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        return new(
            Join(_gradients.Select(g => g.Block.Flat()), device),
            Join(_gradients.Select(g => g.Block.At(g.First)), device),
            _gradients.Any(g => g.Second is not null) ? Join(_gradients.Select(g => g.Second is { } second ? g.Block.At(second) : g.Block.Nowhere()), device) : null,
            Join(_gradients.Select(g => g.Block.All(g.Scale)), device));
    }

    private static long RoundUp(long count) => (count + Alignment - 1) / Alignment * Alignment;

    private static Tensor Join(IEnumerable<Tensor> blocks, Device device) => cat(blocks.ToArray(), 0).to(device).DetachFromDisposeScope();

    private readonly record struct Block(long FlatStart, long Rows, long Columns, long Stride)
    {
        private long Count => Rows * Columns;

        public Tensor Flat() => Numbers.Arange(Count, dtype: ScalarType.Int64).Add_(FlatStart);

        public Tensor At(long start) => Numbers.Arange(Rows, dtype: ScalarType.Int64).Mul_(Stride).unsqueeze(1)
            .Add(Numbers.Arange(Columns, dtype: ScalarType.Int64)).Add_(start).reshape(-1);

        public Tensor All(double value) => empty(Count, ScalarType.Float32).Fill_(value);

        public Tensor Nowhere() => empty(Count, ScalarType.Int64).Fill_(-1L);
    }
}
