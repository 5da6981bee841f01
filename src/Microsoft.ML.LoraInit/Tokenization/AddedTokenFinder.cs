using System.Buffers;
using System.Globalization;
using System.Text;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>A part of a text: text between added tokens, or such a token.</summary>
/// <param name="Start">First character.</param>
/// <param name="Length">Characters, with the white space that a token takes.</param>
/// <param name="Token">The token, or null for text.</param>
internal readonly record struct TextSegment(int Start, int Length, AddedToken? Token);

/// <summary>
/// Finds added tokens in texts as huggingface/tokenizers does (tokenizers/src/tokenizer/added_vocabulary.rs): the leftmost, of those that
/// begin there the longest; first the tokens that are looked for in the text as it is, then the others in what is left.
/// </summary>
internal sealed class AddedTokenFinder
{
    private readonly (SearchValues<string> Values, AddedToken[] Tokens)[] _passes;

    /// <param name="tokens">The tokens to find.</param>
    public AddedTokenFinder(IEnumerable<AddedToken> tokens)
    {
        _passes = [.. from token in tokens
                      group token by token.Normalized into pass
                      orderby pass.Key
                      let longestFirst = pass.OrderByDescending(t => t.Content.Length).ToArray()
                      select (SearchValues.Create(Array.ConvertAll(longestFirst, t => t.Content), StringComparison.Ordinal), longestFirst)];
    }

    /// <summary>The text in order; empty for an empty text.</summary>
    public IReadOnlyList<TextSegment> Split(string text)
    {
        if (text.Length == 0)
            return [];
        IReadOnlyList<TextSegment> segments = [new(0, text.Length, null)];
        foreach (var (values, tokens) in _passes)
        {
            if (!text.AsSpan().ContainsAny(values))
                continue;
            var next = new List<TextSegment>();
            foreach (var segment in segments)
            {
                if (segment.Token is null)
                    Split(text, segment, values, tokens, next);
                else
                    next.Add(segment);
            }
            segments = next;
        }
        return segments;
    }

    private static void Split(string text, TextSegment segment, SearchValues<string> values, AddedToken[] tokens, List<TextSegment> found)
    {
        var part = text.AsSpan(segment.Start, segment.Length);
        int taken = 0;
        for (int from = 0; from < part.Length;)
        {
            int at = part[from..].IndexOfAny(values);
            if (at < 0)
                break;
            at += from;
            var token = Longest(part[at..], tokens);
            int start = at, end = from = at + token.Content.Length;
            if (token.SingleWord && (EndsWithWord(part[..start]) || StartsWithWord(part[end..])))
                continue;
            if (token.LStrip)
                start = Math.Max(part[..start].TrimEnd().Length, taken);
            if (token.RStrip)
                from = end = part.Length - part[end..].TrimStart().Length;
            Text(taken, start);
            found.Add(new(segment.Start + start, end - start, token));
            taken = end;
        }
        Text(taken, part.Length);

        void Text(int start, int end)
        {
            if (end > start)
                found.Add(new(segment.Start + start, end - start, null));
        }
    }

    private static AddedToken Longest(ReadOnlySpan<char> text, AddedToken[] longestFirst)
    {
        foreach (var token in longestFirst)
            if (text.StartsWith(token.Content, StringComparison.Ordinal))
                return token;
        throw new InvalidOperationException("A token that was found must be there.");
    }

    private static bool EndsWithWord(ReadOnlySpan<char> text) =>
        !text.IsEmpty && Rune.DecodeLastFromUtf16(text, out var rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool StartsWithWord(ReadOnlySpan<char> text) =>
        !text.IsEmpty && Rune.DecodeFromUtf16(text, out var rune, out _) == OperationStatus.Done && IsWord(rune);

    /// <summary>What <c>\w</c> is in Unicode's recommendation (UTS 18): letters, marks, digits, connectors and joiners.</summary>
    private static bool IsWord(Rune rune) => rune.Value is 0x200C or 0x200D || Rune.IsLetter(rune) || Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
        or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation;
}
