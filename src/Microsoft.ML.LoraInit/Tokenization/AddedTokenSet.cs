using System.Globalization;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>The added tokens of a tokenizer, put together of the files that name them.</summary>
internal sealed class AddedTokenSet
{
    private readonly Dictionary<string, AddedToken> _tokens = new(StringComparer.Ordinal);
    private readonly IReadOnlyDictionary<string, int> _vocabulary;
    private readonly string _source;

    public AddedTokenSet(IEnumerable<AddedToken> tokens, IReadOnlyDictionary<string, int> vocabulary, string source)
    {
        (_vocabulary, _source) = (vocabulary, source);
        foreach (var token in tokens)
            Put(token);
    }

    public IReadOnlyList<AddedToken> Tokens => [.. _tokens.Values.OrderBy(t => t.Id)];

    /// <summary><c>added_tokens_decoder</c>: id → description, which goes before other descriptions of the token.</summary>
    public void Describe(TokenizerElement decoder)
    {
        foreach (var (text, token) in decoder.Members())
        {
            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
                throw token.Bad("is no id", "a whole number is expected");
            Put(AddedTokenReader.Read(token, id));
        }
    }

    /// <summary><c>added_tokens.json</c>: token → id.</summary>
    public void Add(TokenizerElement tokens)
    {
        foreach (var (content, id) in tokens.Members())
            Put(_tokens.TryGetValue(content, out var known) ? known with { Id = Same(known, id.Integer()) } : new(id.Integer(), content, Normalized: true));
    }

    /// <summary>A token that is named as special, by its text or an object; its text.</summary>
    public string Special(TokenizerElement named)
    {
        var read = AddedTokenReader.Read(named, -1, special: true);
        if (_tokens.TryGetValue(read.Content, out var known))
            Put(known with { Special = true });
        else if (_vocabulary.TryGetValue(read.Content, out var id))
            Put(read with { Id = id, Special = true });
        else
            throw named.Bad($"is '{read.Content}'", "neither the vocabulary nor the added tokens have it");
        return read.Content;
    }

    /// <summary>Adds RoBERTa's special tokens where the vocabulary has them and no file describes them.</summary>
    public void Complete(IEnumerable<string> names)
    {
        foreach (var name in names)
            if (!_tokens.ContainsKey(name) && _vocabulary.TryGetValue(name, out var id))
                Put(new(id, name, Special: true));
    }

    private void Put(AddedToken token)
    {
        if (_vocabulary.TryGetValue(token.Content, out var id))
            _ = Same(token, id);
        if (_tokens.TryGetValue(token.Content, out var known))
            _ = Same(known, token.Id);
        _tokens[token.Content] = token;
    }

    private int Same(AddedToken token, int id) => token.Id == id ? id
        : throw new InvalidDataException($"'{_source}': the token '{token.Content}' has the id {token.Id} in one file and {id} in another: they are not of one tokenizer.");
}
