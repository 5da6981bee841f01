namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>A row and 16 columns in plain arithmetic, for processors without AVX2.</summary>
internal static unsafe class Int8PlainTiles
{
    /// <inheritdoc cref="Int8Tiles.Multiply"/>
    public static int Multiply(Int8Rows x, sbyte* w, int* sums)
    {
        new Span<int>(sums, Int8Product.Width).Clear();
        for (int i = 0; i < x.Depth; i += 4, w += 4 * Int8Product.Width)
            for (int column = 0; column < Int8Product.Width; column++)
                for (int part = 0; part < 4; part++)
                    sums[column] += x.Values[i + part] * w[(4 * column) + part];
        return 1;
    }
}
