using System.Runtime.InteropServices;
using System.Text;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>
/// RoBERTa's tokenizer: byte-level BPE (Microsoft.ML.Tokenizers) within the pieces of <see cref="PreTokenizer"/>, and
/// the special tokens around it. No space is put before the text; a literal <c>&lt;s&gt;</c> in it is ordinary text.
/// Safe to use from several threads at once.
/// </summary>
internal sealed class RobertaTokenizer
{
    private const int SpecialTokensOfOne = 2, SpecialTokensOfPair = 4;

    private readonly WordEncoder _words;
    private readonly WordCache _cache = new();
    private readonly string[] _tokens;
    private readonly int _bos, _eos;

    private RobertaTokenizer(WordEncoder words, string[] tokens, RobertaConfig config)
    {
        _words = words;
        _tokens = tokens;
        (_bos, _eos) = (config.BosTokenId, config.EosTokenId);
        MaxLength = config.MaxLength;
    }

    /// <summary>The longest sequence that the model takes, special tokens included.</summary>
    public int MaxLength { get; }

    /// <summary>Reads <c>vocab.json</c> and <c>merges.txt</c>; the streams stay open.</summary>
    /// <exception cref="InvalidDataException">A file is malformed, or does not fit the model.</exception>
    public static RobertaTokenizer Create(Stream vocabulary, Stream merges, RobertaConfig config)
    {
        var (bpe, tokens) = VocabularyReader.Read(vocabulary, merges, config);
        return new(new WordEncoder(bpe, tokens), tokens, config);
    }

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
        int budget = maxLength - (pair is null ? SpecialTokensOfOne : SpecialTokensOfPair);
        // A side never keeps more than the whole budget, so no more of it need be encoded.
        var first = EncodePieces(text, budget);
        if (pair is null)
            return new([_bos, .. Ids(first, budget), _eos]);
        var second = EncodePieces(pair, budget);
        int secondLength = Math.Min(second.Count, Math.Max(budget / 2, budget - first.Count));
        int firstLength = Math.Min(first.Count, budget - secondLength);
        return new([_bos, .. Ids(first, firstLength), _eos, _eos, .. Ids(second, secondLength), _eos]);

        static ReadOnlySpan<int> Ids(List<int> ids, int most) => CollectionsMarshal.AsSpan(ids)[..Math.Min(most, ids.Count)];
    }

    /// <summary>Refuses a maximum length that leaves no room for text or is beyond the model's.</summary>
    public void CheckMaxLength(int maxLength, bool pair)
    {
        int least = (pair ? SpecialTokensOfPair : SpecialTokensOfOne) + 1;
        if (maxLength < least || maxLength > MaxLength)
            throw new ArgumentOutOfRangeException(nameof(maxLength), maxLength, $"The maximum length must be from {least} to {MaxLength} tokens.");
    }

    /// <summary>The text of a run of ids; special tokens appear as they are written in the vocabulary.</summary>
    public string Decode(IEnumerable<int> ids) => ByteAlphabet.Decode(string.Concat(ids.Select(id => _tokens[id])));

    /// <summary>Where each of the ids that <see cref="Encode"/> made is in its text; special tokens have no place and give null.</summary>
    public IReadOnlyList<(TokenSpan Span, bool IsSecond)?> Locate(string text, string? pair, EncodedText encoded)
    {
        // Special tokens never come out of a text, so the first end is the first text's.
        int end = Array.IndexOf(encoded.Ids, _eos);
        var result = new (TokenSpan, bool)?[encoded.Length];
        Fill(text, 1, end, false);
        if (pair is not null)
            Fill(pair, end + 2, encoded.Length - 1, true);
        return result;

        void Fill(string source, int from, int to, bool isSecond)
        {
            var spans = TokenSpans.Of(WellFormed(source), [.. encoded.Ids[from..to].Select(id => _tokens[id].Length)]);
            for (int i = 0; i < spans.Length; i++)
                result[from + i] = (spans[i], isSecond);
        }
    }

    /// <summary>The id of a special token by its name, or null where the vocabulary lacks it.</summary>
    public int? IdOf(string token) => Array.IndexOf(_tokens, token) is >= 0 and var id ? id : null;

    /// <summary>At least the first <paramref name="enough"/> ids, or all. Pieces are independent, so stopping between them changes none.</summary>
    private List<int> EncodePieces(string text, int enough)
    {
        var ids = new List<int>(Math.Min(enough, (text.Length / 4) + 4));
        for (var rest = WellFormed(text).AsSpan(); !rest.IsEmpty && ids.Count < enough;)
        {
            int length = PreTokenizer.NextLength(rest);
            var piece = rest[..length];
            var known = _cache.Find(piece);
            if (known is null)
                _cache.Add(piece, known = [.. _words.Encode(ByteAlphabet.Encode(piece))]);
            ids.AddRange(known.AsSpan());
            rest = rest[length..];
        }
        return ids;
    }

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
