using System.Runtime.InteropServices;
using System.Text;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>
/// Texts to a model's token ids: what every kind of tokenizer has in common, the special tokens around texts and within them, pairs,
/// truncation and places. How text between special tokens becomes ids is the kind's (<see cref="BytePairTokenizer"/>,
/// <see cref="UnigramTokenizer"/>). Safe to use from several threads at once.
/// </summary>
internal abstract class SubwordTokenizer
{
    private const int SpecialTokensOfOne = 2, SpecialTokensOfPair = 4;

    private readonly AddedTokenFinder _added;
    private readonly int _bos, _eos;

    /// <param name="config">The model's shape.</param>
    /// <param name="rule">What the tokenizer's settings say.</param>
    /// <exception cref="InvalidDataException">The rule does not fit the model.</exception>
    protected SubwordTokenizer(RobertaConfig config, TokenizerRule rule)
    {
        rule.Check(config);
        Rule = rule;
        _added = new(rule.Tokens.Where(t => !(t.Special && rule.SpecialTokensAsText)));
        (_bos, _eos) = (rule.IdOf(TokenizerRule.Cls) ?? config.BosTokenId, rule.IdOf(TokenizerRule.Sep) ?? config.EosTokenId);
        MaxLength = config.MaxLength;
    }

    /// <summary>What the tokenizer does beside its vocabulary.</summary>
    public TokenizerRule Rule { get; }

    /// <summary>The longest sequence that the model takes, special tokens included.</summary>
    public int MaxLength { get; }

    /// <summary>The same vocabulary under another rule, which must be of the same tokens.</summary>
    /// <exception cref="InvalidDataException">The rule does not fit the vocabulary.</exception>
    public SubwordTokenizer With(TokenizerRule rule) => ReferenceEquals(rule, Rule) || rule.SameAs(Rule) ? this : WithOther(rule);

    /// <summary>
    /// <c>&lt;s&gt; A &lt;/s&gt;</c>, or with a second text <c>&lt;s&gt; A &lt;/s&gt;&lt;/s&gt; B &lt;/s&gt;</c>. What is
    /// too long loses one token at a time from the end of the longer text, on a tie of the second.
    /// </summary>
    /// <param name="text">Any UTF-16, also empty; unpaired surrogates count as U+FFFD.</param>
    /// <param name="pair">The second text, or null where there is none.</param>
    /// <param name="maxLength">The most ids returned, special tokens included.</param>
    public EncodedText Encode(string text, string? pair, int maxLength)
    {
        CheckMaxLength(maxLength, pair is not null);
        var (first, second, isCut) = Kept(text, pair, maxLength);
        return Row(CollectionsMarshal.AsSpan(first), pair is not null, CollectionsMarshal.AsSpan(second)) with { IsCut = isCut };
    }

    /// <summary>A text's rows: one, or with <see cref="LongTextKind.Windows"/> as many as a long text needs.</summary>
    /// <param name="text">As of <see cref="Encode(string, string?, int)"/>.</param>
    /// <param name="pair">The same.</param>
    /// <param name="maxLength">The same.</param>
    /// <param name="rule">What is read of a text that is too long.</param>
    public EncodedText[] Encode(string text, string? pair, int maxLength, LongText rule)
    {
        if (rule.Kind == LongTextKind.Truncate)
            return [Encode(text, pair, maxLength)];
        CheckMaxLength(maxLength, pair is not null);
        int room = maxLength - SpecialTokens(pair is not null);
        var (first, second) = (EncodeText(text, int.MaxValue), pair is null ? [] : EncodeText(pair, int.MaxValue));
        var a = CollectionsMarshal.AsSpan(first);
        var b = CollectionsMarshal.AsSpan(second);
        if (a.Length + b.Length <= room)
            return [Row(a, pair is not null, b)];
        if (rule.Kind == LongTextKind.Windows)
            return a.Length > b.Length
                ? Windows(a, b, room, rule, (window, other) => Row(window, pair is not null, other))
                : Windows(b, a, room, rule, (window, other) => Row(other, true, window));
        int secondLength = SecondLength(a.Length, b.Length, room);
        return [Row(HeadAndTail(a, room - secondLength), pair is not null, HeadAndTail(b, secondLength)) with { IsCut = true }];
    }

    /// <summary>How many special tokens stand around a text, or around two.</summary>
    public static int SpecialTokens(bool pair) => pair ? SpecialTokensOfPair : SpecialTokensOfOne;

    /// <summary>Refuses a maximum length that leaves no room for text or is beyond the model's.</summary>
    public void CheckMaxLength(int maxLength, bool pair)
    {
        int least = (pair ? SpecialTokensOfPair : SpecialTokensOfOne) + 1;
        if (maxLength < least || maxLength > MaxLength)
            throw new ArgumentOutOfRangeException(nameof(maxLength), maxLength, $"The maximum length must be from {least} to {MaxLength} tokens.");
    }

    /// <summary>The text of a run of ids; special tokens appear as they are written in the vocabulary.</summary>
    public abstract string Decode(IEnumerable<int> ids);

    /// <summary>Where each of the ids that <see cref="Encode(string, string?, int)"/> made is in its text; the special tokens around the texts have no place and give null.</summary>
    public IReadOnlyList<(TokenSpan Span, bool IsSecond)?> Locate(string text, string? pair, EncodedText encoded)
    {
        var result = new (TokenSpan, bool)?[encoded.Length];
        // Cut to the length that they have, the texts keep the tokens that they have: special ones may be among them.
        var (first, second, _) = Kept(text, pair, encoded.Length);
        Fill(text, first, 1, false);
        if (pair is not null)
            Fill(pair, second, first.Count + 3, true);
        return result;

        void Fill(string source, List<int> ids, int from, bool isSecond)
        {
            foreach (var span in Spans(WellFormed(source), ids))
                result[from++] = (span, isSecond);
        }
    }

    /// <summary>The id of a token by its name, or null where the vocabulary lacks it.</summary>
    public abstract int? IdOf(string token);

    /// <summary>A tokenizer of the same vocabulary.</summary>
    protected abstract SubwordTokenizer WithOther(TokenizerRule rule);

    /// <summary>Adds the ids of a part of a text between special tokens: at least so many that there are enough, or all.</summary>
    /// <param name="part">Not empty.</param>
    /// <param name="ids">Added to.</param>
    /// <param name="enough">As many as are needed.</param>
    protected abstract void EncodePart(string part, List<int> ids, int enough);

    /// <summary>Adds the places of a part's ids.</summary>
    /// <param name="part">As <see cref="EncodePart"/> had it.</param>
    /// <param name="start">Where in the text the part begins.</param>
    /// <param name="word">The number of the part's first word.</param>
    /// <param name="ids">All ids of the text.</param>
    /// <param name="spans">The places of the first ones; added to, up to as many as there are ids.</param>
    protected abstract void LocatePart(string part, int start, int word, List<int> ids, List<TokenSpan> spans);

    private EncodedText Row(ReadOnlySpan<int> first, bool pair, ReadOnlySpan<int> second) =>
        new(pair ? [_bos, .. first, _eos, _eos, .. second, _eos] : [_bos, .. first, _eos]);

    private static EncodedText[] Windows(ReadOnlySpan<int> read, ReadOnlySpan<int> beside, int room, LongText rule, WindowRow row)
    {
        beside = beside[..Math.Min(beside.Length, room / 2)];
        room -= beside.Length;
        var rows = new List<EncodedText>();
        for (int start = 0; rows.Count < rule.MostWindows && (start == 0 || start + room - rule.Stride < read.Length); start += rule.Stride)
        {
            int length = Math.Min(room, read.Length - start);
            rows.Add(row(read.Slice(start, length), beside) with { IsCut = rows.Count == rule.MostWindows - 1 && start + length < read.Length });
        }
        return [.. rows];
    }

    private static int[] HeadAndTail(ReadOnlySpan<int> ids, int most)
    {
        if (ids.Length <= most)
            return ids.ToArray();
        int head = most / 4;
        return [.. ids[..head], .. ids[^(most - head)..]];
    }

    private static int SecondLength(int first, int second, int budget) => Math.Min(second, Math.Max(budget / 2, budget - first));

    /// <summary>The ids of both texts, cut to the length, and whether that took anything away.</summary>
    private (List<int> First, List<int> Second, bool IsCut) Kept(string text, string? pair, int maxLength)
    {
        int budget = maxLength - SpecialTokens(pair is not null);
        // A side never keeps more than the whole budget, so no more of it need be encoded than shows that there is more.
        var first = EncodeText(text, budget + 1);
        if (pair is null)
            return first.Count > budget ? (Cut(first, budget), [], true) : (first, [], false);
        var second = EncodeText(pair, budget + 1);
        bool isCut = first.Count + second.Count > budget;
        int secondLength = SecondLength(first.Count, second.Count, budget);
        return (Cut(first, budget - secondLength), Cut(second, secondLength), isCut);

        static List<int> Cut(List<int> ids, int most)
        {
            if (ids.Count > most)
                ids.RemoveRange(most, ids.Count - most);
            return ids;
        }
    }

    /// <summary>At least the first <paramref name="enough"/> ids, or all.</summary>
    private List<int> EncodeText(string text, int enough)
    {
        var ids = new List<int>(Math.Min(enough, (text.Length / 4) + 4));
        text = WellFormed(text);
        foreach (var segment in _added.Split(text))
        {
            if (ids.Count >= enough)
                break;
            if (segment.Token is { } token)
                ids.Add(token.Id);
            else
                EncodePart(Part(text, segment), ids, enough);
        }
        return ids;
    }

    /// <summary>The places of a text's first ids.</summary>
    private List<TokenSpan> Spans(string text, List<int> ids)
    {
        var spans = new List<TokenSpan>(ids.Count);
        int word = 0;
        foreach (var segment in _added.Split(text))
        {
            if (spans.Count == ids.Count)
                break;
            if (segment.Token is { } token)
                spans.Add(new(text.IndexOf(token.Content, segment.Start, StringComparison.Ordinal), token.Content.Length, word));
            else
                LocatePart(Part(text, segment), segment.Start, word, ids, spans);
            if (spans.Count > 0)
                word = spans[^1].Word + 1;
        }
        return spans;
    }

    private delegate EncodedText WindowRow(ReadOnlySpan<int> window, ReadOnlySpan<int> beside);

    private static string Part(string text, TextSegment segment) => segment.Length == text.Length ? text : text.Substring(segment.Start, segment.Length);

    private static string WellFormed(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
            return text;
        var builder = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes()) // An unpaired surrogate comes as U+FFFD.
            builder.Append(rune);
        return builder.ToString();
    }
}
