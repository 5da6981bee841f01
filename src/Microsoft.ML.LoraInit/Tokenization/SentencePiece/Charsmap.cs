using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.LoraInit.Tokenization.SentencePiece;

/// <summary>
/// SentencePiece's normalisation (google/sentencepiece, src/normalizer.cc): from left to right the longest run of bytes for which the
/// map has a text is replaced by that text, and what it has none for stays. XLM-R's map is <c>nmt_nfkc</c>: NFKC, control characters
/// gone, all white space a space.
/// </summary>
/// <remarks>
/// The map is a double-array trie over UTF-8 (s-yata/darts-clone, include/darts.h) after its length, and the texts, each with a NUL at its
/// end. huggingface/tokenizers reads the same map cluster by cluster and by the shortest run (normalizers/precompiled.rs), which differs for
/// some texts in decomposed form, Vietnamese or Korean of macOS file names; the models were trained by SentencePiece's rule.
/// Microsoft.ML.Tokenizers 2.0.1 normalises as well, but does not say which character became what, which explanations need.
/// </remarks>
internal sealed class Charsmap
{
    private readonly uint[] _units;
    private readonly byte[] _texts;

    private Charsmap(uint[] units, byte[] texts) => (_units, _texts) = (units, texts);

    /// <param name="bytes">The map; empty for none.</param>
    /// <param name="source">What error messages call the file.</param>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public static Charsmap Parse(ReadOnlySpan<byte> bytes, string source)
    {
        if (bytes.IsEmpty)
            return new([], []);
        if (bytes.Length < sizeof(uint))
            throw Damaged();
        var length = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        bytes = bytes[sizeof(uint)..];
        if (length == 0 || length % sizeof(uint) != 0 || length > bytes.Length)
            throw Damaged();
        var units = MemoryMarshal.Cast<byte, uint>(bytes[..(int)length]).ToArray();
        if (!BitConverter.IsLittleEndian)
            BinaryPrimitives.ReverseEndianness(units, units);
        var texts = bytes[(int)length..].ToArray();
        if (texts.Length == 0 || texts[^1] != 0)
            throw Damaged();
        return new(units, texts);

        InvalidDataException Damaged() => new($"'{source}': its map of characters (precompiled_charsmap) is damaged. Get the file again from where it came from.");
    }

    /// <summary>The text as the model reads it, in which white space is neither put together nor replaced.</summary>
    /// <param name="text">Well-formed text.</param>
    /// <param name="places">Gets for each character that is returned the first and the last character that it came from; null where nobody asks.</param>
    public string Normalize(ReadOnlySpan<char> text, List<(int First, int Last)>? places = null)
    {
        if (_units.Length == 0)
        {
            for (int i = 0; places is not null && i < text.Length; i++)
                places.Add((i, i));
            return text.ToString();
        }
        var rented = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        try
        {
            return Normalize(rented.AsSpan(0, Encoding.UTF8.GetBytes(text, rented)), places);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private string Normalize(ReadOnlySpan<byte> utf8, List<(int First, int Last)>? places)
    {
        var normalized = new ArrayBufferWriter<byte>(utf8.Length + 8);
        int from = 0; // characters
        while (!utf8.IsEmpty)
        {
            var (length, value) = Longest(utf8);
            var written = length > 0 ? Text(value) : utf8[..(length = LengthOf(utf8[0]))];
            normalized.Write(written);
            if (places is not null)
            {
                int taken = Encoding.UTF8.GetCharCount(utf8[..length]);
                for (int i = Encoding.UTF8.GetCharCount(written); i > 0; i--)
                    places.Add((from, from + taken - 1));
                from += taken;
            }
            utf8 = utf8[length..];
        }
        return Encoding.UTF8.GetString(normalized.WrittenSpan);
    }

    /// <summary>The longest run that the map has a text for: bytes, and where the text is; 0 bytes for none.</summary>
    private (int Length, int Value) Longest(ReadOnlySpan<byte> utf8)
    {
        (int Length, int Value) found = (0, 0);
        long position = Offset(_units[0]);
        for (int i = 0; i < utf8.Length && utf8[i] != 0; i++) // runs end with a NUL, so none has one
        {
            position ^= utf8[i];
            if (position >= _units.Length || (_units[position] & 0x800000FF) != utf8[i])
                break;
            var unit = _units[position];
            position ^= Offset(unit);
            if (position >= _units.Length)
                break;
            // A run that ends inside a character would leave bytes that are none.
            if ((unit & 0x100) != 0 && (i + 1 == utf8.Length || (utf8[i + 1] & 0xC0) != 0x80))
                found = (i + 1, (int)(_units[position] & 0x7FFFFFFF));
        }
        return found;
    }

    private static long Offset(uint unit) => (long)(unit >> 10) << (int)((unit & 0x200) >> 6);

    private ReadOnlySpan<byte> Text(int value)
    {
        if (value >= _texts.Length)
            return [];
        var text = _texts.AsSpan(value);
        return text[..text.IndexOf((byte)0)];
    }

    private static int LengthOf(byte first) => first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}
