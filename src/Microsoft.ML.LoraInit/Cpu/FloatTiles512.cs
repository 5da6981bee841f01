using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>Tiles of up to 8 rows and 32 columns, accumulated in 16 of AVX-512's 32 registers.</summary>
internal static unsafe class FloatTiles512
{
    public const int MostRows = 8;

    /// <summary>Multiplies as many of the rows as one tile takes.</summary>
    /// <returns>Rows done.</returns>
    public static int Multiply(float* x, int xStride, int rows, int inputs, float* panel, float* bias, float* y, int yStride)
    {
        if (rows >= 8)
        {
            Eight(x, xStride, inputs, panel, bias, y, yStride);
            return 8;
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
    private static void Eight(float* x, int xStride, int inputs, float* panel, float* bias, float* y, int yStride)
    {
        Vector512<float> b0 = Vector512.Load(bias), b1 = Vector512.Load(bias + 16);
        Vector512<float> y00 = b0, y01 = b1, y10 = b0, y11 = b1, y20 = b0, y21 = b1, y30 = b0, y31 = b1, y40 = b0, y41 = b1, y50 = b0, y51 = b1, y60 = b0, y61 = b1, y70 = b0, y71 = b1;
        float* x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride, x4 = x3 + xStride, x5 = x4 + xStride, x6 = x5 + xStride, x7 = x6 + xStride;
        for (nint i = 0; i < inputs; i++, panel += PanelGemm.Width)
        {
            b0 = Vector512.Load(panel);
            b1 = Vector512.Load(panel + 16);
            var v = Vector512.Create(x[i]);
            y00 = Vector512.MultiplyAddEstimate(v, b0, y00);
            y01 = Vector512.MultiplyAddEstimate(v, b1, y01);
            v = Vector512.Create(x1[i]);
            y10 = Vector512.MultiplyAddEstimate(v, b0, y10);
            y11 = Vector512.MultiplyAddEstimate(v, b1, y11);
            v = Vector512.Create(x2[i]);
            y20 = Vector512.MultiplyAddEstimate(v, b0, y20);
            y21 = Vector512.MultiplyAddEstimate(v, b1, y21);
            v = Vector512.Create(x3[i]);
            y30 = Vector512.MultiplyAddEstimate(v, b0, y30);
            y31 = Vector512.MultiplyAddEstimate(v, b1, y31);
            v = Vector512.Create(x4[i]);
            y40 = Vector512.MultiplyAddEstimate(v, b0, y40);
            y41 = Vector512.MultiplyAddEstimate(v, b1, y41);
            v = Vector512.Create(x5[i]);
            y50 = Vector512.MultiplyAddEstimate(v, b0, y50);
            y51 = Vector512.MultiplyAddEstimate(v, b1, y51);
            v = Vector512.Create(x6[i]);
            y60 = Vector512.MultiplyAddEstimate(v, b0, y60);
            y61 = Vector512.MultiplyAddEstimate(v, b1, y61);
            v = Vector512.Create(x7[i]);
            y70 = Vector512.MultiplyAddEstimate(v, b0, y70);
            y71 = Vector512.MultiplyAddEstimate(v, b1, y71);
        }
        y00.Store(y);
        y01.Store(y + 16);
        y += yStride;
        y10.Store(y);
        y11.Store(y + 16);
        y += yStride;
        y20.Store(y);
        y21.Store(y + 16);
        y += yStride;
        y30.Store(y);
        y31.Store(y + 16);
        y += yStride;
        y40.Store(y);
        y41.Store(y + 16);
        y += yStride;
        y50.Store(y);
        y51.Store(y + 16);
        y += yStride;
        y60.Store(y);
        y61.Store(y + 16);
        y += yStride;
        y70.Store(y);
        y71.Store(y + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Four(float* x, int xStride, int inputs, float* panel, float* bias, float* y, int yStride)
    {
        Vector512<float> b0 = Vector512.Load(bias), b1 = Vector512.Load(bias + 16);
        Vector512<float> y00 = b0, y01 = b1, y10 = b0, y11 = b1, y20 = b0, y21 = b1, y30 = b0, y31 = b1;
        float* x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
        for (nint i = 0; i < inputs; i++, panel += PanelGemm.Width)
        {
            b0 = Vector512.Load(panel);
            b1 = Vector512.Load(panel + 16);
            var v = Vector512.Create(x[i]);
            y00 = Vector512.MultiplyAddEstimate(v, b0, y00);
            y01 = Vector512.MultiplyAddEstimate(v, b1, y01);
            v = Vector512.Create(x1[i]);
            y10 = Vector512.MultiplyAddEstimate(v, b0, y10);
            y11 = Vector512.MultiplyAddEstimate(v, b1, y11);
            v = Vector512.Create(x2[i]);
            y20 = Vector512.MultiplyAddEstimate(v, b0, y20);
            y21 = Vector512.MultiplyAddEstimate(v, b1, y21);
            v = Vector512.Create(x3[i]);
            y30 = Vector512.MultiplyAddEstimate(v, b0, y30);
            y31 = Vector512.MultiplyAddEstimate(v, b1, y31);
        }
        y00.Store(y);
        y01.Store(y + 16);
        y += yStride;
        y10.Store(y);
        y11.Store(y + 16);
        y += yStride;
        y20.Store(y);
        y21.Store(y + 16);
        y += yStride;
        y30.Store(y);
        y31.Store(y + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Two(float* x, int xStride, int inputs, float* panel, float* bias, float* y, int yStride)
    {
        Vector512<float> b0 = Vector512.Load(bias), b1 = Vector512.Load(bias + 16);
        Vector512<float> y00 = b0, y01 = b1, y10 = b0, y11 = b1;
        float* x1 = x + xStride;
        for (nint i = 0; i < inputs; i++, panel += PanelGemm.Width)
        {
            b0 = Vector512.Load(panel);
            b1 = Vector512.Load(panel + 16);
            var v = Vector512.Create(x[i]);
            y00 = Vector512.MultiplyAddEstimate(v, b0, y00);
            y01 = Vector512.MultiplyAddEstimate(v, b1, y01);
            v = Vector512.Create(x1[i]);
            y10 = Vector512.MultiplyAddEstimate(v, b0, y10);
            y11 = Vector512.MultiplyAddEstimate(v, b1, y11);
        }
        y00.Store(y);
        y01.Store(y + 16);
        y += yStride;
        y10.Store(y);
        y11.Store(y + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void One(float* x, int xStride, int inputs, float* panel, float* bias, float* y, int yStride)
    {
        Vector512<float> b0 = Vector512.Load(bias), b1 = Vector512.Load(bias + 16);
        Vector512<float> y00 = b0, y01 = b1;
        for (nint i = 0; i < inputs; i++, panel += PanelGemm.Width)
        {
            b0 = Vector512.Load(panel);
            b1 = Vector512.Load(panel + 16);
            var v = Vector512.Create(x[i]);
            y00 = Vector512.MultiplyAddEstimate(v, b0, y00);
            y01 = Vector512.MultiplyAddEstimate(v, b1, y01);
        }
        y00.Store(y);
        y01.Store(y + 16);
    }
}
