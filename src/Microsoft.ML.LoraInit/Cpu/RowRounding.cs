using System.Runtime.Intrinsics;

namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>Between fp32 and the 8 bits of <see cref="Int8Product"/>.</summary>
internal static unsafe class RowRounding
{
    /// <summary>x = scale·p + start with p in [0, 255].</summary>
    /// <param name="x">A row.</param>
    /// <param name="count">Its length.</param>
    /// <param name="p">Gets the rounded row.</param>
    /// <param name="depth">Length of p; what is beyond the row becomes 0, which multiplies nothing.</param>
    /// <param name="scale">Width of a step; 0 where all numbers are equal.</param>
    /// <param name="start">The smallest number.</param>
    public static void Round(float* x, int count, byte* p, int depth, out float scale, out float start)
    {
        Range(x, count, out start, out float most);
        scale = (most - start) / byte.MaxValue;
        float inverse = scale > 0 ? 1 / scale : 0;
        int i = 0;
        for (; i + 32 <= count; i += 32)
        {
            var low = Vector256.Narrow(Steps(x + i, inverse, start), Steps(x + i + 8, inverse, start));
            var high = Vector256.Narrow(Steps(x + i + 16, inverse, start), Steps(x + i + 24, inverse, start));
            Vector256.Narrow(low.AsUInt16(), high.AsUInt16()).Store(p + i);
        }
        for (; i < count; i++)
            p[i] = (byte)(((x[i] - start) * inverse) + 0.5f);
        new Span<byte>(p + count, depth - count).Clear();
    }

    /// <summary>y = s·(t·sum + start·Σ q) + b for a row of 16 sums.</summary>
    public static void Restore(int* sums, float scale, float start, Int8Columns w, float* y, int valid)
    {
        float* whole = stackalloc float[Int8Product.Width];
        float* target = valid == Int8Product.Width ? y : whole;
        for (int i = 0; i < Int8Product.Width; i += 8)
        {
            var product = (Vector256.ConvertToSingle(Vector256.Load(sums + i)) * scale) + (Vector256.Load(w.Sums + i) * start);
            ((product * Vector256.Load(w.Scales + i)) + Vector256.Load(w.Bias + i)).Store(target + i);
        }
        if (valid < Int8Product.Width)
            new ReadOnlySpan<float>(whole, valid).CopyTo(new(y, valid));
    }

    private static Vector256<int> Steps(float* x, float inverse, float start) =>
        Vector256.ConvertToInt32(((Vector256.Load(x) - Vector256.Create(start)) * inverse) + Vector256.Create(0.5f));

    private static void Range(float* x, int count, out float least, out float most)
    {
        var (low, high) = (Vector256.Create(float.PositiveInfinity), Vector256.Create(float.NegativeInfinity));
        int i = 0;
        for (; i + 8 <= count; i += 8)
        {
            var v = Vector256.Load(x + i);
            (low, high) = (Vector256.Min(low, v), Vector256.Max(high, v));
        }
        (least, most) = (float.PositiveInfinity, float.NegativeInfinity);
        for (int lane = 0; lane < 8; lane++)
            (least, most) = (Math.Min(least, low[lane]), Math.Max(most, high[lane]));
        for (; i < count; i++)
            (least, most) = (Math.Min(least, x[i]), Math.Max(most, x[i]));
    }
}
