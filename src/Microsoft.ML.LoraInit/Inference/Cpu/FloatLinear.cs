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
        int panels = PanelGemm.Panels(Outputs);
        _panels = new((long)panels * PanelGemm.Width * Inputs);
        _bias = new(panels * PanelGemm.Width);
        bias.CopyTo(_bias.Span);
        var packed = _panels.Span;
        for (int row = 0; row < Outputs; row++)
        {
            var (panel, lane) = Math.DivRem(row, PanelGemm.Width);
            var source = weight.Slice(row * Inputs, Inputs);
            int target = (panel * Inputs * PanelGemm.Width) + lane;
            for (int i = 0; i < source.Length; i++, target += PanelGemm.Width)
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
    public void Apply(float* x, int xStride, int rows, float* y, int yStride, CpuTeam team)
    {
        team.For(PanelGemm.Panels(Outputs), (long)rows * Inputs * PanelGemm.Width, (first, end) =>
        {
            int start = first * PanelGemm.Width;
            PanelGemm.Multiply(
                x, xStride, rows, Inputs,
                _panels.Pointer + ((long)start * Inputs), _bias.Pointer + start,
                y + start, yStride, Math.Min(end * PanelGemm.Width, Outputs) - start);
        });
    }

    /// <summary>The weight, [outputs, inputs] row by row.</summary>
    public float[] Weight()
    {
        var weight = new float[Outputs * Inputs];
        for (int row = 0; row < Outputs; row++)
        {
            var (panel, lane) = Math.DivRem(row, PanelGemm.Width);
            int source = (panel * Inputs * PanelGemm.Width) + lane;
            for (int i = 0; i < Inputs; i++, source += PanelGemm.Width)
                weight[(row * Inputs) + i] = _panels[source];
        }
        return weight;
    }

    /// <summary>The bias, [outputs].</summary>
    public float[] Bias() => _bias.Span[..Outputs].ToArray();
}
