namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>
/// Products of fp32 rows with packed panels of 32 columns, [inputs, 32] each. Every number is one chain of fused multiply-adds
/// in the order of the inputs, whatever tile it falls into and whatever the vectors' width: so its bits depend on nothing else.
/// </summary>
internal static unsafe class PanelGemm
{
    /// <summary>Columns of a panel.</summary>
    public const int Width = 32;

    /// <summary>Panels that hold so many columns.</summary>
    public static int Panels(int columns) => (columns + Width - 1) / Width;

    /// <summary>y = x P + bias.</summary>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="xStride">Numbers from a row of x to the next.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="inputs">Length of a row of x.</param>
    /// <param name="panels">The columns, padded to whole panels.</param>
    /// <param name="bias">Padded alike; null for none.</param>
    /// <param name="y">[rows, columns].</param>
    /// <param name="yStride">Numbers from a row of y to the next.</param>
    /// <param name="columns">Columns written.</param>
    public static void Multiply(float* x, int xStride, int rows, int inputs, float* panels, float* bias, float* y, int yStride, int columns)
    {
        float* none = stackalloc float[Width]; // zeros
        float* edge = stackalloc float[Width * FloatTile.MostRows];
        for (int start = 0; start < columns; start += Width, panels += (long)Width * inputs)
        {
            bool isWhole = columns - start >= Width;
            float* added = bias is null ? none : bias + start;
            for (int row = 0; row < rows;)
            {
                float* from = x + ((long)row * xStride);
                float* to = y + ((long)row * yStride) + start;
                int done = FloatTile.Multiply(from, xStride, rows - row, inputs, panels, added, isWhole ? to : edge, isWhole ? yStride : Width);
                for (int i = 0; !isWhole && i < done; i++)
                    new ReadOnlySpan<float>(edge + (i * Width), columns - start).CopyTo(new(to + ((long)i * yStride), columns - start));
                row += done;
            }
        }
    }
}
