using System.Buffers;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization.SentencePiece;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>
/// XLM-RoBERTa's and CamemBERT's tokenizer: a text is normalised (<see cref="Charsmap"/>), cut at white space, and each word, with U+2581
/// before it, becomes the most probable run of pieces.
/// </summary>
internal sealed class UnigramTokenizer : SubwordTokenizer
{
    private const char Mark = '\u2581';

    private readonly Vocabulary _vocabulary;
    private readonly RobertaConfig _config;
    private readonly string[] _tokens;

    private UnigramTokenizer(Vocabulary vocabulary, RobertaConfig config, TokenizerRule rule)
        : base(config, rule)
    {
        (_vocabulary, _config) = (vocabulary, config);
        _tokens = [.. vocabulary.Tokens, .. Enumerable.Repeat("", Math.Max(0, config.VocabularySize - vocabulary.Tokens.Length))];
        foreach (var token in rule.Tokens)
        {
            if (_tokens[token.Id].Length > 0 && _tokens[token.Id] != token.Content)
                throw new InvalidDataException($"The tokenizer's added token '{token.Content}' has the id {token.Id}, which is '{_tokens[token.Id]}' in the vocabulary.");
            _tokens[token.Id] = token.Content;
        }
    }

    /// <param name="model">The pieces.</param>
    /// <param name="config">The model's shape, and which ids its pieces have.</param>
    /// <param name="rule">What the tokenizer's settings say.</param>
    /// <param name="source">What error messages call the file.</param>
    /// <exception cref="InvalidDataException">The file does not fit the model, or is damaged.</exception>
    public static UnigramTokenizer Create(SentencePieceModel model, RobertaConfig config, TokenizerRule rule, string source)
    {
        var ids = FairseqIds.Of(config.ModelType);
        var tokens = ids.Tokens(model);
        if (tokens.Length > config.VocabularySize)
            throw new InvalidDataException($"'{source}' makes {tokens.Length} tokens, but the model's config.json has a vocab_size of {config.VocabularySize}: the files are not of one model.");
        return new(new(ids, new UnigramWords(model), Charsmap.Parse(model.Charsmap, source), tokens), config, rule);
    }

    public override string Decode(IEnumerable<int> ids) => string.Concat(ids.Select(id => _tokens[id])).Replace(Mark, ' ');

    public override int? IdOf(string token) => Array.IndexOf(_tokens, token) is >= 0 and var id ? id : null;

    protected override SubwordTokenizer WithOther(TokenizerRule rule) => new UnigramTokenizer(_vocabulary, _config, rule);

    protected override void EncodePart(string part, List<int> ids, int enough)
    {
        var text = _vocabulary.Charsmap.Normalize(part);
        var buffer = ArrayPool<char>.Shared.Rent(text.Length + 1);
        foreach (var (start, end) in Words(text))
        {
            if (ids.Count >= enough)
                break;
            foreach (int piece in _vocabulary.Words.Encode(Marked(text.AsSpan(start, end - start), buffer)))
                ids.Add(_vocabulary.Ids.IdOf(piece));
        }
        ArrayPool<char>.Shared.Return(buffer);
    }

    protected override void LocatePart(string part, int start, int word, List<int> ids, List<TokenSpan> spans)
    {
        var places = new List<(int First, int Last)>(part.Length);
        var text = _vocabulary.Charsmap.Normalize(part, places);
        var buffer = new char[text.Length + 1];
        int taken = 0; // characters of the part that tokens have
        foreach (var (from, end) in Words(text))
        {
            int at = from - 1; // of the mark
            foreach (int length in _vocabulary.Words.Lengths(Marked(text.AsSpan(from, end - from), buffer)))
            {
                if (spans.Count == ids.Count)
                    return;
                int first = Math.Max(at, from), last = at + length - 1;
                at += length;
                if (last < first) // the mark alone
                {
                    spans.Add(new(start + taken, 0, word));
                    continue;
                }
                int begin = Math.Max(places[first].First, taken);
                taken = Math.Max(taken, places[last].Last + 1);
                spans.Add(new(start + Math.Min(begin, taken), Math.Max(0, taken - begin), word));
            }
            word++;
        }
    }

    /// <summary>The words of a normalised text, each without the mark before it. A mark that is in the text begins a word as white space does.</summary>
    private static List<(int Start, int End)> Words(string text)
    {
        var words = new List<(int, int)>();
        int start = -1;
        for (int i = 0; i < text.Length; i++)
        {
            bool mark = text[i] == Mark;
            if (!mark && !char.IsWhiteSpace(text[i]))
            {
                if (start < 0)
                    start = i;
                continue;
            }
            if (start >= 0)
                words.Add((start, i));
            start = mark ? i + 1 : -1;
        }
        if (start >= 0)
            words.Add((start, text.Length));
        return words;
    }

    private static ReadOnlySpan<char> Marked(ReadOnlySpan<char> word, char[] buffer)
    {
        buffer[0] = Mark;
        word.CopyTo(buffer.AsSpan(1));
        return buffer.AsSpan(0, word.Length + 1);
    }

    /// <summary>What does not depend on the rule.</summary>
    private sealed record Vocabulary(FairseqIds Ids, UnigramWords Words, Charsmap Charsmap, string[] Tokens);
}
