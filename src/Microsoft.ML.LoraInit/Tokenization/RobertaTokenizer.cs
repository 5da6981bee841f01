using System.Runtime.InteropServices;
using System.Text;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>
/// RoBERTa's tokenizer: byte-level BPE (Microsoft.ML.Tokenizers) within the pieces of <see cref="PreTokenizer"/>, and
/// the special tokens around it. Its <see cref="TokenizerRule"/> says whether a space is put before the text, and which tokens count as
/// such where a text has them. Safe to use from several threads at once.
/// </summary>
internal sealed class RobertaTokenizer
{
    private const int SpecialTokensOfOne = 2, SpecialTokensOfPair = 4;

    private readonly WordEncoder _words;
    private readonly WordCache _cache;
    private readonly string[] _vocabulary, _tokens;
    private readonly RobertaConfig _config;
    private readonly AddedTokenFinder _added;
    private readonly int _bos, _eos;

    private RobertaTokenizer(WordEncoder words, WordCache cache, string[] vocabulary, RobertaConfig config, TokenizerRule rule)
    {
        rule.Check(config);
        (_words, _cache, _vocabulary, _config, Rule) = (words, cache, vocabulary, config, rule);
        _tokens = [.. vocabulary];
        foreach (var token in rule.Tokens)
        {
            var written = ByteAlphabet.Encode(token.Content);
            if (_tokens[token.Id].Length > 0 && _tokens[token.Id] != token.Content && _tokens[token.Id] != written)
                throw new InvalidDataException($"The tokenizer's added token '{token.Content}' has the id {token.Id}, which is '{_tokens[token.Id]}' in the vocabulary.");
            _tokens[token.Id] = written;
        }
        _added = new(rule.Tokens.Where(t => !(t.Special && rule.SpecialTokensAsText)));
        (_bos, _eos) = (rule.IdOf(TokenizerRule.Cls) ?? config.BosTokenId, rule.IdOf(TokenizerRule.Sep) ?? config.EosTokenId);
        MaxLength = config.MaxLength;
    }

    /// <summary>What the tokenizer does beside vocabulary and merges.</summary>
    public TokenizerRule Rule { get; }

    /// <summary>The longest sequence that the model takes, special tokens included.</summary>
    public int MaxLength { get; }

    /// <summary>Reads <c>vocab.json</c> and <c>merges.txt</c>; the streams stay open.</summary>
    /// <param name="vocabulary"><c>vocab.json</c>.</param>
    /// <param name="merges"><c>merges.txt</c>.</param>
    /// <param name="config">The model's shape.</param>
    /// <param name="rule">What the tokenizer's settings say; null for <see cref="TokenizerRule.Plain"/>.</param>
    /// <exception cref="InvalidDataException">A file is malformed, or does not fit the model.</exception>
    public static RobertaTokenizer Create(Stream vocabulary, Stream merges, RobertaConfig config, TokenizerRule? rule = null)
    {
        var (bpe, tokens) = VocabularyReader.Read(vocabulary, merges, config);
        return new(new WordEncoder(bpe, tokens), new WordCache(), tokens, config, rule ?? TokenizerRule.Plain);
    }

    /// <summary>The same vocabulary under another rule, which must be of the same tokens.</summary>
    /// <exception cref="InvalidDataException">The rule does not fit the vocabulary.</exception>
    public RobertaTokenizer With(TokenizerRule rule) => ReferenceEquals(rule, Rule) || rule.SameAs(Rule) ? this : new(_words, _cache, _vocabulary, _config, rule);

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
    public string Decode(IEnumerable<int> ids) => ByteAlphabet.Decode(string.Concat(ids.Select(id => _tokens[id])));

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

    /// <summary>The id of a special token by its name, or null where the vocabulary lacks it.</summary>
    public int? IdOf(string token) => Array.IndexOf(_tokens, token) is >= 0 and var id ? id : null;

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
                EncodePieces(Written(text, segment, out _), ids, enough);
        }
        return ids;
    }

    /// <summary>Pieces are independent, so stopping between them changes none.</summary>
    private void EncodePieces(ReadOnlySpan<char> rest, List<int> ids, int enough)
    {
        while (!rest.IsEmpty && ids.Count < enough)
        {
            int length = PreTokenizer.NextLength(rest);
            var piece = rest[..length];
            var known = _cache.Find(piece);
            if (known is null)
                _cache.Add(piece, known = [.. _words.Encode(ByteAlphabet.Encode(piece))]);
            ids.AddRange(known.AsSpan());
            rest = rest[length..];
        }
    }

    /// <summary>A segment as it is cut into pieces: with a space before it where the rule wants one.</summary>
    private string Written(string text, TextSegment segment, out bool spaced)
    {
        var part = segment.Length == text.Length ? text : text.Substring(segment.Start, segment.Length);
        spaced = Rule.AddPrefixSpace && part[0] != ' ';
        return spaced ? $" {part}" : part;
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
                Add(Written(text, segment, out bool spaced), segment.Start - (spaced ? 1 : 0), segment.Start);
            word = spans[^1].Word + 1;
        }
        return spans;

        void Add(string written, int shift, int least)
        {
            var lengths = new List<int>();
            for (int i = spans.Count, bytes = Encoding.UTF8.GetByteCount(written); i < ids.Count && bytes > 0; i++)
            {
                lengths.Add(_tokens[ids[i]].Length);
                bytes -= lengths[^1];
            }
            foreach (var span in TokenSpans.Of(written, lengths))
            {
                // The space that was put before the text is in no text.
                int start = Math.Max(span.Start + shift, least), end = Math.Max(span.Start + shift + span.Length, least);
                spans.Add(new(start, end - start, span.Word + word));
            }
        }
    }

    private delegate EncodedText WindowRow(ReadOnlySpan<int> window, ReadOnlySpan<int> beside);

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
