using System.Buffers;
using System.Globalization;
using System.Text;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>
/// Cuts a text into the pieces that merges never cross, as GPT-2's pattern does (openai/gpt-2, src/encoder.py):
/// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>.
/// </summary>
/// <remarks>
/// The pattern itself is not used, because .NET's expressions see UTF-16 units: a letter beyond U+FFFF would count as
/// punctuation, and "x𝐀" would be cut where the reference does not cut. This scanner works on code points, in one pass.
/// </remarks>
internal static class PreTokenizer
{
    private static readonly string[] Contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

    private static readonly SearchValues<char> AsciiLetters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    private enum Kind
    {
        Letter,
        Number,
        Space,
        Other,
    }

    /// <summary>Length of the piece that begins a (non-empty, well-formed) text.</summary>
    public static int NextLength(ReadOnlySpan<char> text)
    {
        if (text[0] == '\'')
        {
            foreach (var contraction in Contractions)
            {
                if (text.StartsWith(contraction, StringComparison.Ordinal))
                    return contraction.Length;
            }
        }

        // One plain space belongs to the word that follows it.
        int start = text[0] == ' ' && text.Length > 1 && KindAt(text[1..], out _) != Kind.Space ? 1 : 0;
        var kind = KindAt(text[start..], out _);
        int end = start;
        if (kind == Kind.Letter)
        {
            int letters = text[start..].IndexOfAnyExcept(AsciiLetters);
            end = letters < 0 ? text.Length : start + letters; // The loop goes on where other letters follow.
        }
        while (end < text.Length && KindAt(text[end..], out int length) == kind)
            end += length;

        // A run of white space leaves its last character to the word after it.
        bool leavesOne = kind == Kind.Space && end < text.Length && end > 1;
        return leavesOne ? end - 1 : end;
    }

    private static Kind KindAt(ReadOnlySpan<char> text, out int length)
    {
        char first = text[0];
        length = 1;
        if (char.IsAscii(first))
        {
            return char.IsAsciiLetter(first) ? Kind.Letter
                : char.IsAsciiDigit(first) ? Kind.Number
                : char.IsWhiteSpace(first) ? Kind.Space
                : Kind.Other;
        }
        if (Rune.DecodeFromUtf16(text, out var rune, out length) != OperationStatus.Done)
            throw new ArgumentException("The text must be well-formed UTF-16.", nameof(text));
        if (Rune.IsWhiteSpace(rune))
            return Kind.Space;
        return Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Kind.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Number,
            _ => Kind.Other,
        };
    }
}
