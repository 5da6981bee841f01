using Microsoft.ML.LoraInit.Cpu;

namespace Microsoft.ML.LoraInit.Inference.Cpu;

/// <summary>A bottleneck adapter, which no merge removes: x + U gelu(D x + d) + u, or with a norm x + U relu(D norm(x) + d) + u.</summary>
internal sealed unsafe class CpuBottleneck(FloatLinear down, FloatLinear up, CpuNorm? norm)
{
    /// <summary>Null where the model has none of this name.</summary>
    public static CpuBottleneck? ReadIfThere(string name, int hidden, CpuWeightReader reader)
    {
        if (reader.RowsOf($"{name}.down") is not { } size)
            return null;
        return new(reader.Linear(size, hidden, $"{name}.down"), reader.Linear(hidden, size, $"{name}.up"), reader.Has($"{name}.norm") ? reader.Norm($"{name}.norm") : null);
    }

    /// <param name="x">[rows, hidden], changed.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="team">Who may help.</param>
    public void Apply(float* x, int rows, CpuTeam team)
    {
        int hidden = up.Outputs, size = down.Outputs;
        var memory = CpuScratch.Floats((long)rows * (size + hidden), out float* low);
        float* high = low + ((long)rows * size);
        if (norm is null)
        {
            down.Apply(x, hidden, rows, low, size, team);
            RowMath.Gelu(low, rows * size);
        }
        else
        {
            // The place of the result holds norm(x) until then.
            Buffer.MemoryCopy(x, high, (long)rows * hidden * sizeof(float), (long)rows * hidden * sizeof(float));
            norm.Apply(high, null, rows);
            down.Apply(high, hidden, rows, low, size, team);
            for (long i = 0; i < (long)rows * size; i++)
                low[i] = MathF.Max(low[i], 0);
        }
        up.Apply(low, size, rows, high, hidden, team);
        RowMath.Add(x, high, rows * hidden);
        CpuScratch.Return(memory);
    }
}
