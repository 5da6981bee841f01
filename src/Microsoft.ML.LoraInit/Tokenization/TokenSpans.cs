using System.Text;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>Where a token is in its text.</summary>
/// <param name="Start">First character, without the space before a word.</param>
/// <param name="Length">Characters; 0 where an earlier token has begun the only one, or it is the space before a word.</param>
/// <param name="Word">Number of the piece of <see cref="PreTokenizer"/>.</param>
internal readonly record struct TokenSpan(int Start, int Length, int Word);

/// <summary>Finds tokens in the text that they were made from. Together they are its UTF-8 bytes, so counting is enough.</summary>
internal static class TokenSpans
{
    /// <param name="text">Well-formed text.</param>
    /// <param name="lengths">Bytes of each token; together the text's first bytes.</param>
    public static TokenSpan[] Of(string text, IReadOnlyList<int> lengths)
    {
        var (characterOf, words) = (CharacterOfByte(text), WordOfCharacter(text));
        var spans = new TokenSpan[lengths.Count];
        int from = 0, taken = 0;
        for (int i = 0; i < spans.Length; i++)
        {
            int to = from + lengths[i];
            int start = Math.Max(characterOf[from], taken), end = characterOf[to - 1];
            end += char.IsHighSurrogate(text[end]) ? 2 : 1;
            taken = Math.Max(taken, end);
            int word = words[characterOf[from]];
            if (end > start && text[start] == ' ' && start + 1 < text.Length && words[start + 1] == word && !char.IsWhiteSpace(text[start + 1]))
                start++;
            spans[i] = new(start, Math.Max(0, end - start), word);
            from = to;
        }
        return spans;
    }

    /// <summary>The index of the (first) character that each byte belongs to.</summary>
    private static int[] CharacterOfByte(string text)
    {
        var map = new int[Encoding.UTF8.GetByteCount(text)];
        int index = 0, position = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            for (int i = 0; i < rune.Utf8SequenceLength; i++)
                map[index++] = position;
            position += rune.Utf16SequenceLength;
        }
        return map;
    }

    private static int[] WordOfCharacter(string text)
    {
        var map = new int[text.Length];
        for (int start = 0, word = 0, length; start < text.Length; start += length, word++)
        {
            length = PreTokenizer.NextLength(text.AsSpan(start));
            map.AsSpan(start, length).Fill(word);
        }
        return map;
    }
}
