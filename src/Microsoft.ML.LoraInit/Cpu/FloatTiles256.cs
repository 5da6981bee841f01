using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>Tiles of up to 6 rows and 16 columns, accumulated in 12 of AVX2's 16 registers.</summary>
internal static unsafe class FloatTiles256
{
    public const int MostRows = 6;

    /// <summary>Multiplies as many of the rows as one tile takes.</summary>
    /// <returns>Rows done.</returns>
    public static int Multiply(float* x, int xStride, int rows, int inputs, float* panel, float* bias, float* y, int yStride)
    {
        int done = 0;
        for (int start = 0; start < PanelGemm.Width; start += 16)
            done = Half(x, xStride, rows, inputs, panel + start, bias + start, y + start, yStride);
        return done;
    }

    /// <summary>Half of a panel's columns: more would not fit 16 registers.</summary>
    private static int Half(float* x, int xStride, int rows, int inputs, float* panel, float* bias, float* y, int yStride)
    {
        if (rows >= 6)
        {
            Six(x, xStride, inputs, panel, bias, y, yStride);
            return 6;
        }
        if (rows >= 4)
        {
            Four(x, xStride, inputs, panel, bias, y, yStride);
            return 4;
        }
        if (rows >= 2)
        {
            Two(x, xStride, inputs, panel, bias, y, yStride);
            return 2;
        }
        One(x, xStride, inputs, panel, bias, y, yStride);
        return 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Six(float* x, int xStride, int inputs, float* panel, float* bias, float* y, int yStride)
    {
        Vector256<float> b0 = Vector256.Load(bias), b1 = Vector256.Load(bias + 8);
        Vector256<float> y00 = b0, y01 = b1, y10 = b0, y11 = b1, y20 = b0, y21 = b1, y30 = b0, y31 = b1, y40 = b0, y41 = b1, y50 = b0, y51 = b1;
        float* x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride, x4 = x3 + xStride, x5 = x4 + xStride;
        for (nint i = 0; i < inputs; i++, panel += PanelGemm.Width)
        {
            b0 = Vector256.Load(panel);
            b1 = Vector256.Load(panel + 8);
            var v = Vector256.Create(x[i]);
            y00 = Vector256.MultiplyAddEstimate(v, b0, y00);
            y01 = Vector256.MultiplyAddEstimate(v, b1, y01);
            v = Vector256.Create(x1[i]);
            y10 = Vector256.MultiplyAddEstimate(v, b0, y10);
            y11 = Vector256.MultiplyAddEstimate(v, b1, y11);
            v = Vector256.Create(x2[i]);
            y20 = Vector256.MultiplyAddEstimate(v, b0, y20);
            y21 = Vector256.MultiplyAddEstimate(v, b1, y21);
            v = Vector256.Create(x3[i]);
            y30 = Vector256.MultiplyAddEstimate(v, b0, y30);
            y31 = Vector256.MultiplyAddEstimate(v, b1, y31);
            v = Vector256.Create(x4[i]);
            y40 = Vector256.MultiplyAddEstimate(v, b0, y40);
            y41 = Vector256.MultiplyAddEstimate(v, b1, y41);
            v = Vector256.Create(x5[i]);
            y50 = Vector256.MultiplyAddEstimate(v, b0, y50);
            y51 = Vector256.MultiplyAddEstimate(v, b1, y51);
        }
        y00.Store(y);
        y01.Store(y + 8);
        y += yStride;
        y10.Store(y);
        y11.Store(y + 8);
        y += yStride;
        y20.Store(y);
        y21.Store(y + 8);
        y += yStride;
        y30.Store(y);
        y31.Store(y + 8);
        y += yStride;
        y40.Store(y);
        y41.Store(y + 8);
        y += yStride;
        y50.Store(y);
        y51.Store(y + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Four(float* x, int xStride, int inputs, float* panel, float* bias, float* y, int yStride)
    {
        Vector256<float> b0 = Vector256.Load(bias), b1 = Vector256.Load(bias + 8);
        Vector256<float> y00 = b0, y01 = b1, y10 = b0, y11 = b1, y20 = b0, y21 = b1, y30 = b0, y31 = b1;
        float* x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
        for (nint i = 0; i < inputs; i++, panel += PanelGemm.Width)
        {
            b0 = Vector256.Load(panel);
            b1 = Vector256.Load(panel + 8);
            var v = Vector256.Create(x[i]);
            y00 = Vector256.MultiplyAddEstimate(v, b0, y00);
            y01 = Vector256.MultiplyAddEstimate(v, b1, y01);
            v = Vector256.Create(x1[i]);
            y10 = Vector256.MultiplyAddEstimate(v, b0, y10);
            y11 = Vector256.MultiplyAddEstimate(v, b1, y11);
            v = Vector256.Create(x2[i]);
            y20 = Vector256.MultiplyAddEstimate(v, b0, y20);
            y21 = Vector256.MultiplyAddEstimate(v, b1, y21);
            v = Vector256.Create(x3[i]);
            y30 = Vector256.MultiplyAddEstimate(v, b0, y30);
            y31 = Vector256.MultiplyAddEstimate(v, b1, y31);
        }
        y00.Store(y);
        y01.Store(y + 8);
        y += yStride;
        y10.Store(y);
        y11.Store(y + 8);
        y += yStride;
        y20.Store(y);
        y21.Store(y + 8);
        y += yStride;
        y30.Store(y);
        y31.Store(y + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Two(float* x, int xStride, int inputs, float* panel, float* bias, float* y, int yStride)
    {
        Vector256<float> b0 = Vector256.Load(bias), b1 = Vector256.Load(bias + 8);
        Vector256<float> y00 = b0, y01 = b1, y10 = b0, y11 = b1;
        float* x1 = x + xStride;
        for (nint i = 0; i < inputs; i++, panel += PanelGemm.Width)
        {
            b0 = Vector256.Load(panel);
            b1 = Vector256.Load(panel + 8);
            var v = Vector256.Create(x[i]);
            y00 = Vector256.MultiplyAddEstimate(v, b0, y00);
            y01 = Vector256.MultiplyAddEstimate(v, b1, y01);
            v = Vector256.Create(x1[i]);
            y10 = Vector256.MultiplyAddEstimate(v, b0, y10);
            y11 = Vector256.MultiplyAddEstimate(v, b1, y11);
        }
        y00.Store(y);
        y01.Store(y + 8);
        y += yStride;
        y10.Store(y);
        y11.Store(y + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void One(float* x, int xStride, int inputs, float* panel, float* bias, float* y, int yStride)
    {
        Vector256<float> b0 = Vector256.Load(bias), b1 = Vector256.Load(bias + 8);
        Vector256<float> y00 = b0, y01 = b1;
        for (nint i = 0; i < inputs; i++, panel += PanelGemm.Width)
        {
            b0 = Vector256.Load(panel);
            b1 = Vector256.Load(panel + 8);
            var v = Vector256.Create(x[i]);
            y00 = Vector256.MultiplyAddEstimate(v, b0, y00);
            y01 = Vector256.MultiplyAddEstimate(v, b1, y01);
        }
        y00.Store(y);
        y01.Store(y + 8);
    }
}
