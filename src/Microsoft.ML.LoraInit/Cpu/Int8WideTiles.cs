using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>
/// Tiles of up to 2 rows and 16 columns by AVX2, in 16 bits: its product of bytes saturates. Each sum is kept in two halves, of the
/// even and the odd pairs of inputs.
/// </summary>
internal static unsafe class Int8WideTiles
{
    /// <inheritdoc cref="Int8Tiles.Multiply"/>
    public static int Multiply(Int8Rows x, sbyte* w, int* sums)
    {
        if (x.Rows >= 2)
        {
            Two(x.Values, x.Depth, w, sums);
            return 2;
        }
        One(x.Values, x.Depth, w, sums);
        return 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Two(byte* x, int depth, sbyte* w, int* sums)
    {
        Vector256<int> s0 = default, s1 = default, s2 = default, s3 = default, t0 = default, t1 = default, t2 = default, t3 = default;
        byte* y = x + depth;
        for (nint i = 0; i < depth; i += 4, w += 4 * Int8Product.Width)
        {
            var (v, u) = (Widened(x + i), Widened(y + i));
            var column = Avx2.ConvertToVector256Int16(w);
            s0 += Avx2.MultiplyAddAdjacent(v, column);
            t0 += Avx2.MultiplyAddAdjacent(u, column);
            column = Avx2.ConvertToVector256Int16(w + 16);
            s1 += Avx2.MultiplyAddAdjacent(v, column);
            t1 += Avx2.MultiplyAddAdjacent(u, column);
            column = Avx2.ConvertToVector256Int16(w + 32);
            s2 += Avx2.MultiplyAddAdjacent(v, column);
            t2 += Avx2.MultiplyAddAdjacent(u, column);
            column = Avx2.ConvertToVector256Int16(w + 48);
            s3 += Avx2.MultiplyAddAdjacent(v, column);
            t3 += Avx2.MultiplyAddAdjacent(u, column);
        }
        Store(s0, s1, sums);
        Store(s2, s3, sums + 8);
        Store(t0, t1, sums + 16);
        Store(t2, t3, sums + 24);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void One(byte* x, int depth, sbyte* w, int* sums)
    {
        Vector256<int> s0 = default, s1 = default, s2 = default, s3 = default;
        for (nint i = 0; i < depth; i += 4, w += 4 * Int8Product.Width)
        {
            var v = Widened(x + i);
            s0 += Avx2.MultiplyAddAdjacent(v, Avx2.ConvertToVector256Int16(w));
            s1 += Avx2.MultiplyAddAdjacent(v, Avx2.ConvertToVector256Int16(w + 16));
            s2 += Avx2.MultiplyAddAdjacent(v, Avx2.ConvertToVector256Int16(w + 32));
            s3 += Avx2.MultiplyAddAdjacent(v, Avx2.ConvertToVector256Int16(w + 48));
        }
        Store(s0, s1, sums);
        Store(s2, s3, sums + 8);
    }

    /// <summary>Four inputs, four times over.</summary>
    private static Vector256<short> Widened(byte* x) => Avx2.ConvertToVector256Int16(Vector128.Create(*(int*)x).AsByte());

    /// <summary>Adds up the halves of eight columns.</summary>
    private static void Store(Vector256<int> low, Vector256<int> high, int* sums) =>
        Avx2.Permute4x64(Avx2.HorizontalAdd(low, high).AsInt64(), 0b11_01_10_00).AsInt32().Store(sums);
}
