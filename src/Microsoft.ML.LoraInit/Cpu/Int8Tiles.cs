using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>Tiles of up to 6 rows and 16 columns by AVX-VNNI, which multiplies and adds up 32 pairs of bytes at once.</summary>
internal static unsafe class Int8Tiles
{
    public const int MostRows = 6;

    /// <summary>Multiplies as many of the rows as one tile takes.</summary>
    /// <param name="x">The rows.</param>
    /// <param name="w">A panel, [depth / 4, 16, 4].</param>
    /// <param name="sums">Gets Σ p q, [rows done, 16].</param>
    /// <returns>Rows done.</returns>
    public static int Multiply(Int8Rows x, sbyte* w, int* sums)
    {
        if (x.Rows >= 6)
        {
            Six(x.Values, x.Depth, w, sums);
            return 6;
        }
        if (x.Rows >= 4)
        {
            Four(x.Values, x.Depth, w, sums);
            return 4;
        }
        if (x.Rows >= 2)
        {
            Two(x.Values, x.Depth, w, sums);
            return 2;
        }
        One(x.Values, x.Depth, w, sums);
        return 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Six(byte* x, int depth, sbyte* w, int* sums)
    {
        Vector256<int> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default, s40 = default, s41 = default, s50 = default, s51 = default;
        byte* x1 = x + depth, x2 = x1 + depth, x3 = x2 + depth, x4 = x3 + depth, x5 = x4 + depth;
        for (nint i = 0; i < depth; i += 4, w += 4 * Int8Product.Width)
        {
            var w0 = Vector256.Load(w);
            var w1 = Vector256.Load(w + 32);
            var v = Vector256.Create(*(int*)(x + i)).AsByte();
            s00 = AvxVnni.MultiplyWideningAndAdd(s00, v, w0);
            s01 = AvxVnni.MultiplyWideningAndAdd(s01, v, w1);
            v = Vector256.Create(*(int*)(x1 + i)).AsByte();
            s10 = AvxVnni.MultiplyWideningAndAdd(s10, v, w0);
            s11 = AvxVnni.MultiplyWideningAndAdd(s11, v, w1);
            v = Vector256.Create(*(int*)(x2 + i)).AsByte();
            s20 = AvxVnni.MultiplyWideningAndAdd(s20, v, w0);
            s21 = AvxVnni.MultiplyWideningAndAdd(s21, v, w1);
            v = Vector256.Create(*(int*)(x3 + i)).AsByte();
            s30 = AvxVnni.MultiplyWideningAndAdd(s30, v, w0);
            s31 = AvxVnni.MultiplyWideningAndAdd(s31, v, w1);
            v = Vector256.Create(*(int*)(x4 + i)).AsByte();
            s40 = AvxVnni.MultiplyWideningAndAdd(s40, v, w0);
            s41 = AvxVnni.MultiplyWideningAndAdd(s41, v, w1);
            v = Vector256.Create(*(int*)(x5 + i)).AsByte();
            s50 = AvxVnni.MultiplyWideningAndAdd(s50, v, w0);
            s51 = AvxVnni.MultiplyWideningAndAdd(s51, v, w1);
        }
        s00.Store(sums);
        s01.Store(sums + 8);
        s10.Store(sums + 16);
        s11.Store(sums + 24);
        s20.Store(sums + 32);
        s21.Store(sums + 40);
        s30.Store(sums + 48);
        s31.Store(sums + 56);
        s40.Store(sums + 64);
        s41.Store(sums + 72);
        s50.Store(sums + 80);
        s51.Store(sums + 88);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Four(byte* x, int depth, sbyte* w, int* sums)
    {
        Vector256<int> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
        byte* x1 = x + depth, x2 = x1 + depth, x3 = x2 + depth;
        for (nint i = 0; i < depth; i += 4, w += 4 * Int8Product.Width)
        {
            var w0 = Vector256.Load(w);
            var w1 = Vector256.Load(w + 32);
            var v = Vector256.Create(*(int*)(x + i)).AsByte();
            s00 = AvxVnni.MultiplyWideningAndAdd(s00, v, w0);
            s01 = AvxVnni.MultiplyWideningAndAdd(s01, v, w1);
            v = Vector256.Create(*(int*)(x1 + i)).AsByte();
            s10 = AvxVnni.MultiplyWideningAndAdd(s10, v, w0);
            s11 = AvxVnni.MultiplyWideningAndAdd(s11, v, w1);
            v = Vector256.Create(*(int*)(x2 + i)).AsByte();
            s20 = AvxVnni.MultiplyWideningAndAdd(s20, v, w0);
            s21 = AvxVnni.MultiplyWideningAndAdd(s21, v, w1);
            v = Vector256.Create(*(int*)(x3 + i)).AsByte();
            s30 = AvxVnni.MultiplyWideningAndAdd(s30, v, w0);
            s31 = AvxVnni.MultiplyWideningAndAdd(s31, v, w1);
        }
        s00.Store(sums);
        s01.Store(sums + 8);
        s10.Store(sums + 16);
        s11.Store(sums + 24);
        s20.Store(sums + 32);
        s21.Store(sums + 40);
        s30.Store(sums + 48);
        s31.Store(sums + 56);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Two(byte* x, int depth, sbyte* w, int* sums)
    {
        Vector256<int> s00 = default, s01 = default, s10 = default, s11 = default;
        byte* x1 = x + depth;
        for (nint i = 0; i < depth; i += 4, w += 4 * Int8Product.Width)
        {
            var w0 = Vector256.Load(w);
            var w1 = Vector256.Load(w + 32);
            var v = Vector256.Create(*(int*)(x + i)).AsByte();
            s00 = AvxVnni.MultiplyWideningAndAdd(s00, v, w0);
            s01 = AvxVnni.MultiplyWideningAndAdd(s01, v, w1);
            v = Vector256.Create(*(int*)(x1 + i)).AsByte();
            s10 = AvxVnni.MultiplyWideningAndAdd(s10, v, w0);
            s11 = AvxVnni.MultiplyWideningAndAdd(s11, v, w1);
        }
        s00.Store(sums);
        s01.Store(sums + 8);
        s10.Store(sums + 16);
        s11.Store(sums + 24);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void One(byte* x, int depth, sbyte* w, int* sums)
    {
        Vector256<int> s00 = default, s01 = default;
        for (nint i = 0; i < depth; i += 4, w += 4 * Int8Product.Width)
        {
            var w0 = Vector256.Load(w);
            var w1 = Vector256.Load(w + 32);
            var v = Vector256.Create(*(int*)(x + i)).AsByte();
            s00 = AvxVnni.MultiplyWideningAndAdd(s00, v, w0);
            s01 = AvxVnni.MultiplyWideningAndAdd(s01, v, w1);
        }
        s00.Store(sums);
        s01.Store(sums + 8);
    }
}
