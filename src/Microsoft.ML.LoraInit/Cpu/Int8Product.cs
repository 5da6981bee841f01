using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>Rows rounded to 8 bits: x = scale·p + start.</summary>
/// <param name="values">p, [rows, depth].</param>
/// <param name="depth">Inputs, padded.</param>
/// <param name="scales">[rows].</param>
/// <param name="starts">[rows].</param>
/// <param name="rows">Number of rows.</param>
internal readonly unsafe struct Int8Rows(byte* values, int depth, float* scales, float* starts, int rows)
{
    public byte* Values => values;

    public int Depth => depth;

    public float* Scales => scales;

    public float* Starts => starts;

    public int Rows => rows;

    /// <summary>The rows from one on.</summary>
    public Int8Rows From(int row) => new(values + ((long)row * depth), depth, scales + row, starts + row, rows - row);
}

/// <summary>Packed columns in 8 bits: w = scale·q.</summary>
/// <param name="values">q, [panels, depth / 4, 16, 4].</param>
/// <param name="scales">[columns].</param>
/// <param name="sums">Σ q, [columns].</param>
/// <param name="bias">[columns].</param>
internal readonly unsafe struct Int8Columns(sbyte* values, float* scales, float* sums, float* bias)
{
    public sbyte* Values => values;

    public float* Scales => scales;

    public float* Sums => sums;

    public float* Bias => bias;

    /// <summary>The columns after one panel.</summary>
    public Int8Columns Next(int depth) =>
        new(values + ((long)depth * Int8Product.Width), scales + Int8Product.Width, sums + Int8Product.Width, bias + Int8Product.Width);
}

/// <summary>Products of 8-bit rows with packed panels of 16 columns, by AVX2. The sums are exact, so all processors give the same scores.</summary>
internal static unsafe class Int8Product
{
    /// <summary>Columns of a panel.</summary>
    public const int Width = 16;

    /// <summary>Panels that hold so many columns.</summary>
    public static int Panels(int columns) => (columns + Width - 1) / Width;

    /// <summary>Inputs with padding: whole quadruples, which the processor multiplies and adds up at once.</summary>
    public static int Depth(int inputs) => (inputs + 3) / 4 * 4;

    /// <summary>y = x W + bias.</summary>
    /// <param name="x">The rows.</param>
    /// <param name="w">The columns.</param>
    /// <param name="y">[rows, columns].</param>
    /// <param name="yStride">Numbers from a row of y to the next.</param>
    /// <param name="columns">Columns written.</param>
    public static void Multiply(Int8Rows x, Int8Columns w, float* y, int yStride, int columns)
    {
        int* sums = stackalloc int[Width * Int8Tiles.MostRows];
        for (int start = 0; start < columns; start += Width, w = w.Next(x.Depth))
        {
            int valid = Math.Min(Width, columns - start);
            for (int row = 0; row < x.Rows;)
            {
                var rest = x.From(row);
                int done = AvxVnni.IsSupported ? Int8Tiles.Multiply(rest, w.Values, sums) : Int8WideTiles.Multiply(rest, w.Values, sums);
                Scale(rest, done, w, sums, y + ((long)row * yStride) + start, yStride, valid);
                row += done;
            }
        }
    }

    /// <summary>From Σ p q to y.</summary>
    private static void Scale(Int8Rows x, int rows, Int8Columns w, int* sums, float* y, int yStride, int valid)
    {
        for (int row = 0; row < rows; row++, sums += Width, y += yStride)
            RowRounding.Restore(sums, x.Scales[row], x.Starts[row], w, y, valid);
    }
}
