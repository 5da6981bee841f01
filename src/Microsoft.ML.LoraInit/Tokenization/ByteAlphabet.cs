using System.Text;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>
/// GPT-2's one printable character a byte (openai/gpt-2, src/encoder.py): printable Latin-1 stands for itself, the
/// other 68 bytes for U+0100 onwards. Vocabulary and merges are written in these characters.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] ToChar = Build();
    private static readonly byte[] ToByte = Invert(ToChar);

    /// <summary>The 256 characters, in the order of the bytes.</summary>
    public static ReadOnlySpan<char> Characters => ToChar;

    /// <summary>The text's UTF-8 bytes, a character each.</summary>
    public static string Encode(ReadOnlySpan<char> text)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        return string.Create(bytes.Length, bytes, static (characters, bytes) =>
        {
            for (int i = 0; i < bytes.Length; i++)
                characters[i] = ToChar[bytes[i]];
        });
    }

    /// <summary>The text that the characters stand for; bytes that are not UTF-8 become U+FFFD.</summary>
    public static string Decode(string characters) => Encoding.UTF8.GetString([.. characters.Select(c => ToByte[c])]);

    private static char[] Build()
    {
        var table = new char[256];
        char next = '\u0100';
        for (int b = 0; b < table.Length; b++)
            table[b] = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF) ? (char)b : next++;
        return table;
    }

    private static byte[] Invert(char[] table)
    {
        var inverse = new byte[table.Max() + 1];
        for (int b = 0; b < table.Length; b++)
            inverse[table[b]] = (byte)b;
        return inverse;
    }
}
