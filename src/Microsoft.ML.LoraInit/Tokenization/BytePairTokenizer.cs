using System.Text;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>
/// RoBERTa's tokenizer: byte-level BPE (Microsoft.ML.Tokenizers) within the pieces of <see cref="PreTokenizer"/>. Its rule says whether a
/// space is put before the text.
/// </summary>
internal sealed class BytePairTokenizer : SubwordTokenizer
{
    private readonly WordEncoder _words;
    private readonly WordCache _cache;
    private readonly string[] _vocabulary, _tokens;
    private readonly RobertaConfig _config;

    private BytePairTokenizer(WordEncoder words, WordCache cache, string[] vocabulary, RobertaConfig config, TokenizerRule rule)
        : base(config, rule)
    {
        (_words, _cache, _vocabulary, _config) = (words, cache, vocabulary, config);
        _tokens = [.. vocabulary];
        foreach (var token in rule.Tokens)
        {
            var written = ByteAlphabet.Encode(token.Content);
            if (_tokens[token.Id].Length > 0 && _tokens[token.Id] != token.Content && _tokens[token.Id] != written)
                throw new InvalidDataException($"The tokenizer's added token '{token.Content}' has the id {token.Id}, which is '{_tokens[token.Id]}' in the vocabulary.");
            _tokens[token.Id] = written;
        }
    }

    /// <summary>Reads <c>vocab.json</c> and <c>merges.txt</c>; the streams stay open.</summary>
    /// <param name="vocabulary"><c>vocab.json</c>.</param>
    /// <param name="merges"><c>merges.txt</c>.</param>
    /// <param name="config">The model's shape.</param>
    /// <param name="rule">What the tokenizer's settings say; null for <see cref="TokenizerRule.Plain"/>.</param>
    /// <exception cref="InvalidDataException">A file is malformed, or does not fit the model.</exception>
    public static BytePairTokenizer Create(Stream vocabulary, Stream merges, RobertaConfig config, TokenizerRule? rule = null)
    {
        var (bpe, tokens) = VocabularyReader.Read(vocabulary, merges, config);
        return new(new WordEncoder(bpe, tokens), new WordCache(), tokens, config, rule ?? TokenizerRule.Plain);
    }

    public override string Decode(IEnumerable<int> ids) => ByteAlphabet.Decode(string.Concat(ids.Select(id => _tokens[id])));

    public override int? IdOf(string token) => Array.IndexOf(_tokens, token) is >= 0 and var id ? id : null;

    protected override SubwordTokenizer WithOther(TokenizerRule rule) => new BytePairTokenizer(_words, _cache, _vocabulary, _config, rule);

    /// <summary>Pieces are independent, so stopping between them changes none.</summary>
    protected override void EncodePart(string part, List<int> ids, int enough)
    {
        ReadOnlySpan<char> rest = Written(part, out _);
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

    protected override void LocatePart(string part, int start, int word, List<int> ids, List<TokenSpan> spans)
    {
        var written = Written(part, out bool spaced);
        int shift = start - (spaced ? 1 : 0);
        var lengths = new List<int>();
        for (int i = spans.Count, bytes = Encoding.UTF8.GetByteCount(written); i < ids.Count && bytes > 0; i++)
        {
            lengths.Add(_tokens[ids[i]].Length);
            bytes -= lengths[^1];
        }
        foreach (var span in TokenSpans.Of(written, lengths))
        {
            // The space that was put before the text is in no text.
            int first = Math.Max(span.Start + shift, start), end = Math.Max(span.Start + shift + span.Length, start);
            spans.Add(new(first, end - first, span.Word + word));
        }
    }

    /// <summary>A part as it is cut into pieces: with a space before it where the rule wants one.</summary>
    private string Written(string part, out bool spaced)
    {
        spaced = Rule.AddPrefixSpace && part[0] != ' ';
        return spaced ? $" {part}" : part;
    }
}
