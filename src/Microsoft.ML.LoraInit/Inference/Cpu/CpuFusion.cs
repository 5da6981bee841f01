using Microsoft.ML.LoraInit.Adapters.Fusion;
using Microsoft.ML.LoraInit.Cpu;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Inference.Cpu;

/// <summary>
/// What <see cref="ScoringFusion"/> computes, without tensors: x + V Σ sᵢ zᵢ + v with zᵢ = Uᵢ gelu(Dᵢ x + dᵢ) + uᵢ, s = softmax over i of
/// (S x + t)·zᵢ. The Dᵢ are one product.
/// </summary>
internal sealed unsafe class CpuFusion(FloatLinear down, FloatLinear[] ups, FloatLinear score, FloatLinear value)
{
    /// <summary>Null where the model has none of this name.</summary>
    public static CpuFusion? ReadIfThere(string name, int hidden, CpuWeightReader reader)
    {
        if (reader.RowsOf($"{name}.{BottleneckFusion.Source}.0.down") is not { } size)
            return null;
        var sources = new List<string>();
        while (reader.Has($"{name}.{BottleneckFusion.Source}.{sources.Count}.down"))
            sources.Add($"{name}.{BottleneckFusion.Source}.{sources.Count}");
        return new(
            reader.Linear(size, hidden, [.. sources.Select(s => $"{s}.down")]),
            [.. sources.Select(s => reader.Linear(hidden, size, $"{s}.up"))],
            reader.Linear(hidden, hidden, $"{name}.{FusionPlacement.Score}"),
            reader.Linear(hidden, hidden, $"{name}.{BottleneckFusion.Value}"));
    }

    /// <param name="x">[rows, hidden], changed.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="team">Who may help.</param>
    public void Apply(float* x, int rows, CpuTeam team)
    {
        int hidden = value.Outputs, count = ups.Length, size = down.Outputs / count, wide = count * hidden;
        var memory = CpuScratch.Floats((long)rows * (down.Outputs + wide + (2L * hidden) + count), out float* low);
        float* changes = low + ((long)rows * down.Outputs);
        float* asked = changes + ((long)rows * wide);
        float* mixed = asked + ((long)rows * hidden);
        float* shares = mixed + ((long)rows * hidden);

        down.Apply(x, hidden, rows, low, down.Outputs, team);
        team.For(rows, 8L * down.Outputs, (first, end) => RowMath.Gelu(low + ((long)first * size * count), (end - first) * size * count));
        for (int i = 0; i < count; i++)
            ups[i].Apply(low + (i * size), down.Outputs, rows, changes + (i * hidden), wide, team);
        score.Apply(x, hidden, rows, asked, hidden, team);
        team.For(rows, 4L * wide, (first, end) =>
        {
            for (long row = first; row < end; row++)
                Mix(changes + (row * wide), asked + (row * hidden), shares + (row * count), mixed + (row * hidden), hidden, count);
        });
        value.Apply(mixed, hidden, rows, asked, hidden, team);
        RowMath.Add(x, asked, rows * hidden);
        CpuScratch.Return(memory);
    }

    // changes: [count, hidden] of one row.
    private static void Mix(float* changes, float* asked, float* shares, float* mixed, int hidden, int count)
    {
        float most = float.NegativeInfinity, sum = 0;
        for (int i = 0; i < count; i++)
            most = MathF.Max(most, shares[i] = RowMath.Dot(asked, changes + ((long)i * hidden), hidden));
        for (int i = 0; i < count; i++)
            sum += shares[i] = MathF.Exp(shares[i] - most);
        new Span<float>(mixed, hidden).Clear();
        for (int i = 0; i < count; i++)
            RowMath.AddScaled(mixed, changes + ((long)i * hidden), shares[i] / sum, hidden);
    }
}
