using Microsoft.ML.LoraInit.Cpu;

namespace Microsoft.ML.LoraInit.Inference.Cpu;

/// <summary>Layer normalisation, after the residual is added.</summary>
internal sealed unsafe class CpuNorm
{
    private readonly AlignedArray<float> _weight, _bias;
    private readonly float _epsilon;

    public CpuNorm(ReadOnlySpan<float> weight, ReadOnlySpan<float> bias, double epsilon)
    {
        (_weight, _bias, _epsilon) = (new(weight.Length), new(bias.Length), (float)epsilon);
        weight.CopyTo(_weight.Span);
        bias.CopyTo(_bias.Span);
    }

    public ReadOnlySpan<float> Weight => _weight.Span;

    public ReadOnlySpan<float> Bias => _bias.Span;

    /// <summary>x ← norm(x + residual), [rows, size].</summary>
    /// <param name="x">Changed.</param>
    /// <param name="residual">Null for none.</param>
    /// <param name="rows">Number of rows.</param>
    public void Apply(float* x, float* residual, int rows)
    {
        int size = _weight.Length;
        for (int i = 0; i < rows; i++, x += size)
        {
            if (residual is not null)
                RowMath.Add(x, residual + ((long)i * size), size);
            RowMath.Normalize(x, size, _weight.Pointer, _bias.Pointer, _epsilon);
        }
    }
}
