using Microsoft.ML.LoraInit.Cpu;

namespace Microsoft.ML.LoraInit.Inference.Cpu;

/// <summary>A linear layer, y = x Wᵀ + b, with a weight that never changes, held in the order in which the product reads it.</summary>
internal sealed unsafe class FloatLinear
{
    private readonly AlignedArray<float> _panels; // [outputs / 32, inputs, 32]
    private readonly AlignedArray<float> _bias; // padded to whole panels

    /// <param name="weight">[outputs, inputs] row by row.</param>
    /// <param name="bias">[outputs].</param>
    public FloatLinear(ReadOnlySpan<float> weight, ReadOnlySpan<float> bias)
    {
        (Inputs, Outputs) = (weight.Length / bias.Length, bias.Length);
        int panels = FloatProduct.Panels(Outputs);
        _panels = new((long)panels * FloatProduct.Width * Inputs);
        _bias = new(panels * FloatProduct.Width);
        bias.CopyTo(_bias.Span);
        var packed = _panels.Span;
        for (int row = 0; row < Outputs; row++)
        {
            var (panel, lane) = Math.DivRem(row, FloatProduct.Width);
            var source = weight.Slice(row * Inputs, Inputs);
            int target = (panel * Inputs * FloatProduct.Width) + lane;
            for (int i = 0; i < source.Length; i++, target += FloatProduct.Width)
                packed[target] = source[i];
        }
    }

    /// <summary>Columns of W.</summary>
    public int Inputs { get; }

    /// <summary>Rows of W.</summary>
    public int Outputs { get; }

    /// <summary>A row's result does not depend on the rows beside it, to the last bit.</summary>
    /// <param name="x">fp32 [rows, inputs].</param>
    /// <param name="xStride">Numbers from a row of x to the next.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="y">fp32 [rows, outputs].</param>
    /// <param name="yStride">Numbers from a row of y to the next.</param>
    /// <param name="team">Who may help.</param>
    public void Apply(float* x, int xStride, int rows, float* y, int yStride, HostTeam team)
    {
        team.For(FloatProduct.Panels(Outputs), (long)rows * Inputs * FloatProduct.Width, (first, end) =>
        {
            int start = first * FloatProduct.Width;
            FloatProduct.Multiply(
                x, xStride, rows, Inputs,
                _panels.Pointer + ((long)start * Inputs), _bias.Pointer + start,
                y + start, yStride, Math.Min(end * FloatProduct.Width, Outputs) - start);
        });
    }

    /// <summary>The weight, [outputs, inputs] row by row.</summary>
    public float[] Weight()
    {
        var weight = new float[Outputs * Inputs];
        for (int row = 0; row < Outputs; row++)
        {
            var (panel, lane) = Math.DivRem(row, FloatProduct.Width);
            int source = (panel * Inputs * FloatProduct.Width) + lane;
            for (int i = 0; i < Inputs; i++, source += FloatProduct.Width)
                weight[(row * Inputs) + i] = _panels[source];
        }
        return weight;
    }

    /// <summary>The bias, [outputs].</summary>
    public float[] Bias() => _bias.Span[..Outputs].ToArray();
}
