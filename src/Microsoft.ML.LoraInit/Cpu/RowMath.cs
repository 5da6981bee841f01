using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>What a row goes through between two products, all in fp32.</summary>
internal static unsafe class RowMath
{
    private const int Lanes = 8;

    /// <summary>y += x.</summary>
    public static void Add(float* y, float* x, int count)
    {
        int i = 0;
        for (; i + Lanes <= count; i += Lanes)
            (Vector256.Load(y + i) + Vector256.Load(x + i)).Store(y + i);
        for (; i < count; i++)
            y[i] += x[i];
    }

    /// <summary>y += factor · x.</summary>
    public static void AddScaled(float* y, float* x, float factor, int count)
    {
        int i = 0;
        for (; i + Lanes <= count; i += Lanes)
            (Vector256.Load(y + i) + (Vector256.Load(x + i) * factor)).Store(y + i);
        for (; i < count; i++)
            y[i] += factor * x[i];
    }

    /// <summary>x · y.</summary>
    public static float Dot(float* x, float* y, int count)
    {
        var sums = Vector256<float>.Zero;
        int i = 0;
        for (; i + Lanes <= count; i += Lanes)
            sums += Vector256.Load(x + i) * Vector256.Load(y + i);
        float sum = Vector256.Sum(sums);
        for (; i < count; i++)
            sum += x[i] * y[i];
        return sum;
    }

    /// <summary>x ← (x − mean) / √(variance + ε) · weight + bias.</summary>
    public static void Normalize(float* x, int count, float* weight, float* bias, float epsilon)
    {
        var sums = Vector256<float>.Zero;
        int i = 0;
        for (; i + Lanes <= count; i += Lanes)
            sums += Vector256.Load(x + i);
        float sum = Vector256.Sum(sums);
        for (; i < count; i++)
            sum += x[i];
        float mean = sum / count;

        var squares = Vector256<float>.Zero;
        for (i = 0; i + Lanes <= count; i += Lanes)
        {
            var centred = Vector256.Load(x + i) - Vector256.Create(mean);
            squares += centred * centred;
        }
        float square = Vector256.Sum(squares);
        for (; i < count; i++)
            square += (x[i] - mean) * (x[i] - mean);
        float inverse = 1 / MathF.Sqrt((square / count) + epsilon);

        for (i = 0; i + Lanes <= count; i += Lanes)
            (((Vector256.Load(x + i) - Vector256.Create(mean)) * inverse * Vector256.Load(weight + i)) + Vector256.Load(bias + i)).Store(x + i);
        for (; i < count; i++)
            x[i] = ((x[i] - mean) * inverse * weight[i]) + bias[i];
    }

    /// <summary>x ← x Φ(x), exact GELU within 3e-7 · |x|.</summary>
    public static void Gelu(float* x, int count)
    {
        int i = 0;
        for (; i + Lanes <= count; i += Lanes)
            Gelu(Vector256.Load(x + i)).Store(x + i);
        if (i == count)
            return;
        float* rest = stackalloc float[Lanes];
        new ReadOnlySpan<float>(x + i, count - i).CopyTo(new(rest, Lanes));
        Gelu(Vector256.Load(rest)).Store(rest);
        new ReadOnlySpan<float>(rest, count - i).CopyTo(new(x + i, count - i));
    }

    /// <summary>x ← softmax(scale · x) over the first <paramref name="count"/> numbers; the others, up to <paramref name="padded"/>, become 0.</summary>
    /// <param name="x">A row whose end is padded to whole vectors.</param>
    /// <param name="count">Numbers that count, at least 1.</param>
    /// <param name="padded">Length with padding, a multiple of 8.</param>
    /// <param name="scale">Factor before the exponential, above 0.</param>
    public static void Softmax(float* x, int count, int padded, float scale)
    {
        new Span<float>(x + count, padded - count).Fill(float.NegativeInfinity);
        var most = Vector256.Create(float.NegativeInfinity);
        for (int i = 0; i < padded; i += Lanes)
            most = Vector256.Max(most, Vector256.Load(x + i));
        float largest = most[0];
        for (int lane = 1; lane < Lanes; lane++)
            largest = Math.Max(largest, most[lane]);

        var sums = Vector256<float>.Zero;
        for (int i = 0; i < padded; i += Lanes)
        {
            var value = Exp((Vector256.Load(x + i) - Vector256.Create(largest)) * scale);
            value.Store(x + i);
            sums += value;
        }
        var inverse = Vector256.Create(1 / Vector256.Sum(sums));
        for (int i = 0; i < padded; i += Lanes)
            (Vector256.Load(x + i) * inverse).Store(x + i);
    }

    /// <summary>x ← tanh x.</summary>
    public static void Tanh(float* x, int count)
    {
        for (int i = 0; i < count; i++)
            x[i] = MathF.Tanh(x[i]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Gelu(Vector256<float> x) => x * Normal(x);

    /// <summary>Φ(x).</summary>
    // erf by Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: |error| < 1.5e-7.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Normal(Vector256<float> x)
    {
        var z = Vector256.Abs(x) * 0.70710678f;
        var t = Vector256<float>.One / ((z * 0.3275911f) + Vector256<float>.One);
        var p = (t * 1.061405429f) - Vector256.Create(1.453152027f);
        p = (p * t) + Vector256.Create(1.421413741f);
        p = (p * t) - Vector256.Create(0.284496736f);
        p = (p * t) + Vector256.Create(0.254829592f);
        var tail = p * t * Exp(-(z * z)) * 0.5f; // 1 − Φ(|x|)
        return Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256<float>.Zero), tail, Vector256<float>.One - tail);
    }

    // eˣ for x ≤ 0: 2ⁿ · eʳ with |r| ≤ ln 2 / 2 and the polynomial of Cephes' expf; 0 below the range.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Exp(Vector256<float> x)
    {
        var n = Vector256.Floor((x * 1.44269504f) + Vector256.Create(0.5f));
        var r = x - (n * 0.693359375f) + (n * 2.12194440e-4f);
        var p = (r * 1.9875691500e-4f) + Vector256.Create(1.3981999507e-3f);
        p = (p * r) + Vector256.Create(8.3334519073e-3f);
        p = (p * r) + Vector256.Create(4.1665795894e-2f);
        p = (p * r) + Vector256.Create(1.6666665459e-1f);
        p = (p * r) + Vector256.Create(5.0000001201e-1f);
        p = (p * r * r) + r + Vector256<float>.One;
        var power = Vector256.ShiftLeft(Vector256.ConvertToInt32(n) + Vector256.Create(127), 23).AsSingle();
        return Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256.Create(-87f)), Vector256<float>.Zero, p * power);
    }
}
