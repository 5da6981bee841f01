using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>
/// The micro-kernel of <see cref="PanelGemm"/>: a few rows by two vectors of columns, accumulated in registers. Written once; the runtime
/// compiles it for each width of vectors and number of rows, with what a number of rows does not use left out.
/// </summary>
internal static unsafe class FloatTile
{
    /// <summary>Rows of the largest tile.</summary>
    public const int MostRows = 8;

    /// <summary>Multiplies as many of the rows as one tile takes, by all columns of a panel.</summary>
    /// <returns>Rows done.</returns>
    public static int Multiply(float* x, int xStride, int rows, int inputs, float* panel, float* bias, float* y, int yStride)
    {
        if (Vector512.IsHardwareAccelerated)
            return rows switch // 16 of AVX-512's 32 registers
            {
                >= 8 => Tile<Lanes512, Eight>(x, xStride, inputs, panel, bias, y, yStride),
                >= 4 => Tile<Lanes512, Four>(x, xStride, inputs, panel, bias, y, yStride),
                >= 2 => Tile<Lanes512, Two>(x, xStride, inputs, panel, bias, y, yStride),
                _ => Tile<Lanes512, One>(x, xStride, inputs, panel, bias, y, yStride),
            };
        int done = 0;
        for (int start = 0; start < PanelGemm.Width; start += 2 * Lanes256.Count)
        {
            var (part, offsets, to) = ((nint)(panel + start), (nint)(bias + start), (nint)(y + start));
            done = rows switch // 12 of AVX2's 16
            {
                >= 6 => Tile<Lanes256, Six>(x, xStride, inputs, (float*)part, (float*)offsets, (float*)to, yStride),
                >= 4 => Tile<Lanes256, Four>(x, xStride, inputs, (float*)part, (float*)offsets, (float*)to, yStride),
                >= 2 => Tile<Lanes256, Two>(x, xStride, inputs, (float*)part, (float*)offsets, (float*)to, yStride),
                _ => Tile<Lanes256, One>(x, xStride, inputs, (float*)part, (float*)offsets, (float*)to, yStride),
            };
        }
        return done;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static int Tile<V, R>(float* x, int xStride, int inputs, float* panel, float* bias, float* y, int yStride)
        where V : struct, ILanes<V>
        where R : struct, IRows
    {
        V b0 = V.Load(bias), b1 = V.Load(bias + V.Count);
        V y00 = b0, y01 = b1, y10 = b0, y11 = b1, y20 = b0, y21 = b1, y30 = b0, y31 = b1, y40 = b0, y41 = b1, y50 = b0, y51 = b1, y60 = b0, y61 = b1, y70 = b0, y71 = b1;
        float* x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride, x4 = x3 + xStride, x5 = x4 + xStride, x6 = x5 + xStride, x7 = x6 + xStride;
        for (nint i = 0; i < inputs; i++, panel += PanelGemm.Width)
        {
            b0 = V.Load(panel);
            b1 = V.Load(panel + V.Count);
            Add(x[i], b0, b1, ref y00, ref y01);
            if (R.Count > 1)
                Add(x1[i], b0, b1, ref y10, ref y11);
            if (R.Count > 2)
            {
                Add(x2[i], b0, b1, ref y20, ref y21);
                Add(x3[i], b0, b1, ref y30, ref y31);
            }
            if (R.Count > 4)
            {
                Add(x4[i], b0, b1, ref y40, ref y41);
                Add(x5[i], b0, b1, ref y50, ref y51);
            }
            if (R.Count > 6)
            {
                Add(x6[i], b0, b1, ref y60, ref y61);
                Add(x7[i], b0, b1, ref y70, ref y71);
            }
        }
        Store(y, y00, y01);
        if (R.Count > 1)
            Store(y + yStride, y10, y11);
        if (R.Count > 2)
        {
            Store(y + (2 * yStride), y20, y21);
            Store(y + (3 * yStride), y30, y31);
        }
        if (R.Count > 4)
        {
            Store(y + (4 * yStride), y40, y41);
            Store(y + (5 * yStride), y50, y51);
        }
        if (R.Count > 6)
        {
            Store(y + (6 * yStride), y60, y61);
            Store(y + (7 * yStride), y70, y71);
        }
        return R.Count;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<V>(float x, V b0, V b1, ref V y0, ref V y1)
        where V : struct, ILanes<V>
    {
        var v = V.All(x);
        y0 = V.MultiplyAdd(v, b0, y0);
        y1 = V.MultiplyAdd(v, b1, y1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<V>(float* y, V y0, V y1)
        where V : struct, ILanes<V>
    {
        y0.Store(y);
        y1.Store(y + V.Count);
    }

    /// <summary>How many rows a tile has.</summary>
    private interface IRows
    {
        static abstract int Count { get; }
    }

    private readonly struct One : IRows
    {
        public static int Count => 1;
    }

    private readonly struct Two : IRows
    {
        public static int Count => 2;
    }

    private readonly struct Four : IRows
    {
        public static int Count => 4;
    }

    private readonly struct Six : IRows
    {
        public static int Count => 6;
    }

    private readonly struct Eight : IRows
    {
        public static int Count => 8;
    }

    /// <summary>A vector register of fp32.</summary>
    private interface ILanes<TSelf>
        where TSelf : struct, ILanes<TSelf>
    {
        static abstract int Count { get; }

        static abstract TSelf Load(float* from);

        static abstract TSelf All(float value);

        static abstract TSelf MultiplyAdd(TSelf a, TSelf b, TSelf c);

        void Store(float* to);
    }

    private readonly struct Lanes256(Vector256<float> value) : ILanes<Lanes256>
    {
        private readonly Vector256<float> _value = value;

        public static int Count => Vector256<float>.Count;

        public static Lanes256 Load(float* from) => new(Vector256.Load(from));

        public static Lanes256 All(float value) => new(Vector256.Create(value));

        public static Lanes256 MultiplyAdd(Lanes256 a, Lanes256 b, Lanes256 c) => new(Vector256.MultiplyAddEstimate(a._value, b._value, c._value));

        public void Store(float* to) => _value.Store(to);
    }

    private readonly struct Lanes512(Vector512<float> value) : ILanes<Lanes512>
    {
        private readonly Vector512<float> _value = value;

        public static int Count => Vector512<float>.Count;

        public static Lanes512 Load(float* from) => new(Vector512.Load(from));

        public static Lanes512 All(float value) => new(Vector512.Create(value));

        public static Lanes512 MultiplyAdd(Lanes512 a, Lanes512 b, Lanes512 c) => new(Vector512.MultiplyAddEstimate(a._value, b._value, c._value));

        public void Store(float* to) => _value.Store(to);
    }
}
