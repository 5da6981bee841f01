using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>What <see cref="AdapterMatrices"/> will hold: projections reserve memory for their matrices and say which trained numbers go where.</summary>
internal sealed class MatrixPlan
{
    /// <summary>Matrices begin at multiples of so many numbers, which 16-byte accesses need.</summary>
    private const long Alignment = 8;

    private readonly List<NumberBlock> _values = [];
    private readonly List<NumberBlock> _gradients = [];

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
        _values.Add(new(flat, rows, columns, to, null, stride, scale, changes));

    /// <summary>Its gradient comes from a part of a reserved one, or from two of the same form.</summary>
    public void Gradient(long flat, long rows, long columns, long first, long? second, long stride, double scale) =>
        _gradients.Add(new(flat, rows, columns, first, second, stride, scale, false));

    /// <summary>The map of the values; the caller's.</summary>
    public NumberMap Values(Device device) => new(_values, device);

    /// <summary>The map of the gradients; the caller's.</summary>
    public NumberMap Gradients(Device device) => new(_gradients, device);

    private static long RoundUp(long count) => (count + Alignment - 1) / Alignment * Alignment;
}
