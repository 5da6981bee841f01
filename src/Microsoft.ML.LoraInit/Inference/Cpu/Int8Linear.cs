using Microsoft.ML.LoraInit.Cpu;

namespace Microsoft.ML.LoraInit.Inference.Cpu;

/// <summary>
/// A linear layer whose product is computed in 8-bit integers (dynamic quantisation): each row of W is rounded once to
/// w = s·q with q in [−127, 127]; each row of x, when it comes, to x = t·p + m with p in [0, 255], m its smallest number.
/// Then y = s·(t·Σ p q + m·Σ q) + b, where Σ p q is exact.
/// </summary>
internal sealed unsafe class Int8Linear : HostLinear
{
    private readonly int _depth; // inputs, padded to whole quadruples
    private readonly AlignedArray<sbyte> _panels; // [outputs / 16, inputs / 4, 16, 4]
    private readonly AlignedArray<float> _scales, _sums, _bias; // s, Σ q and b, padded to whole panels

    /// <param name="weight">[outputs, inputs] row by row.</param>
    /// <param name="bias">[outputs].</param>
    public Int8Linear(ReadOnlySpan<float> weight, ReadOnlySpan<float> bias)
        : base(weight.Length / bias.Length, bias.Length)
    {
        _depth = Int8Product.Depth(Inputs);
        int padded = Int8Product.Panels(Outputs) * Int8Product.Width;
        _panels = new((long)padded * _depth);
        (_scales, _sums, _bias) = (new(padded), new(padded), new(padded));
        bias.CopyTo(_bias.Span);
        var packed = _panels.Span;
        for (int row = 0; row < Outputs; row++)
        {
            var source = weight.Slice(row * Inputs, Inputs);
            float largest = 0;
            foreach (float w in source)
                largest = Math.Max(largest, Math.Abs(w));
            float scale = largest / sbyte.MaxValue;
            int sum = 0;
            for (int i = 0; scale > 0 && i < source.Length; i++)
            {
                int q = (int)MathF.Round(source[i] / scale);
                packed[Place(row, i)] = (sbyte)q;
                sum += q;
            }
            (_scales[row], _sums[row]) = (scale, sum);
        }
    }

    public override void Apply(float* x, int xStride, int rows, float* y, int yStride, HostTeam team)
    {
        int size = rows * _depth;
        var rounded = HostScratch.Bytes(size, out byte* p);
        var ranges = HostScratch.Floats(2 * rows, out float* scales);
        float* starts = scales + rows;
        team.For(rows, 4L * Inputs, (first, end) =>
        {
            for (int row = first; row < end; row++)
                RowRounding.Round(x + ((long)row * xStride), Inputs, p + ((long)row * _depth), _depth, out scales[row], out starts[row]);
        });
        team.For(Int8Product.Panels(Outputs), (long)rows * _depth * Int8Product.Width / 2, (first, end) =>
        {
            int start = first * Int8Product.Width;
            Int8Product.Multiply(
                new(p, _depth, scales, starts, rows),
                new(_panels.Pointer + ((long)start * _depth), _scales.Pointer + start, _sums.Pointer + start, _bias.Pointer + start),
                y + start, yStride, Math.Min(end * Int8Product.Width, Outputs) - start);
        });
        HostScratch.Return(rounded);
        HostScratch.Return(ranges);
    }

    public override float[] Weight()
    {
        var weight = new float[Outputs * Inputs];
        for (int row = 0; row < Outputs; row++)
            for (int i = 0; i < Inputs; i++)
                weight[(row * Inputs) + i] = _scales[row] * _panels[Place(row, i)];
        return weight;
    }

    public override float[] Bias() => _bias.Span[..Outputs].ToArray();

    private int Place(int row, int input)
    {
        var (panel, lane) = Math.DivRem(row, Int8Product.Width);
        return (panel * Int8Product.Width * _depth) + (input / 4 * 4 * Int8Product.Width) + (lane * 4) + (input % 4);
    }
}
