namespace Microsoft.ML.LoraInit.Samples.Data.Files;

/// <summary>Tells by a file's first bytes what it is where it is no text in UTF-8, before messages about characters would.</summary>
internal static class FileKindCheck
{
    private const string SaveAs = "save it as UTF-8 text (in Excel: 'CSV UTF-8').";

    /// <param name="stream">A file at its beginning, where it is left. One that cannot seek is not looked at.</param>
    /// <param name="path">What messages call it.</param>
    /// <exception cref="GlueDataException">It is something else; the message says what to do.</exception>
    public static void Text(Stream stream, string path)
    {
        if (!stream.CanSeek)
            return;
        Span<byte> first = stackalloc byte[8];
        int read = stream.ReadAtLeast(first, first.Length, throwOnEndOfStream: false);
        stream.Position = 0;
        if (Problem(first[..read]) is { } problem)
            throw new GlueDataException(path, null, null, problem);
    }

    /// <summary>The number, from 1, of the first line that is not UTF-8; null where there is none.</summary>
    public static long? FirstLineNotUtf8(Stream stream)
    {
        var reader = new BufferedStream(stream, 1 << 16);
        List<byte> line = [];
        for (long number = 1; ; number++)
        {
            line.Clear();
            int c;
            while ((c = reader.ReadByte()) >= 0 && c != '\n')
                line.Add((byte)c);
            if (!System.Text.Unicode.Utf8.IsValid(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(line)))
                return number;
            if (c < 0)
                return null;
        }
    }

    private static string? Problem(ReadOnlySpan<byte> first)
    {
        if (first.StartsWith("PK\u0003\u0004"u8))
            return $"this is an Excel workbook or another ZIP archive, not text; {SaveAs}";
        if (first.StartsWith((ReadOnlySpan<byte>)[0xD0, 0xCF, 0x11, 0xE0]))
            return $"this is an Excel workbook, not text; {SaveAs}";
        if (first.StartsWith("PAR1"u8))
            return "this is Parquet, not text; --format parquet reads it.";
        if (first.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]))
            return "this is compressed by gzip; give it a name that ends in .gz, or unpack it.";
        // UTF-16 with a byte-order mark is read.
        return first is [not (0xFE or 0xFF), 0, ..] or [0, ..] ? $"there are zero bytes at its beginning: UTF-16 without a byte-order mark, or no text; {SaveAs}" : null;
    }
}
