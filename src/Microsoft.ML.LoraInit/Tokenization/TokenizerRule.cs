using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>
/// What a tokenizer's settings add to vocabulary and merges. Stored with a model, so that its ids stay what they were in training;
/// a model without one was saved by version 0.1.0, which knew <see cref="Plain"/> alone.
/// </summary>
internal sealed record TokenizerRule
{
    public const string Bos = "bos_token", Eos = "eos_token", Cls = "cls_token", Sep = "sep_token", Pad = "pad_token", Unk = "unk_token", Mask = "mask_token";

    /// <summary>RoBERTa's names of the special tokens, as transformers has them where no file says otherwise.</summary>
    public static IReadOnlyDictionary<string, string> DefaultNames { get; } = new Dictionary<string, string>
    {
        [Bos] = "<s>",
        [Cls] = "<s>",
        [Eos] = "</s>",
        [Mask] = "<mask>",
        [Pad] = "<pad>",
        [Sep] = "</s>",
        [Unk] = "<unk>",
    };

    /// <summary>No space before the text, and nothing in a text but text.</summary>
    public static TokenizerRule Plain { get; } = new();

    /// <summary>A space is put before every run of text that does not begin with one.</summary>
    public bool AddPrefixSpace { get; init; }

    /// <summary>Special tokens that users write in their texts are text.</summary>
    public bool SpecialTokensAsText { get; init; }

    /// <summary>The tokens that are found in texts as they are written.</summary>
    public IReadOnlyList<AddedToken> Tokens { get; init; } = [];

    /// <summary>What the special tokens are called, by transformers' keys.</summary>
    public IReadOnlyDictionary<string, string> Names { get; init; } = DefaultNames;

    /// <summary>The id of a special token, or null where no added token has its name.</summary>
    public int? IdOf(string key) => Names.TryGetValue(key, out var name) ? Tokens.FirstOrDefault(t => t.Content == name)?.Id : null;

    /// <summary>Whether two rules give the same ids.</summary>
    public bool SameAs(TokenizerRule other) =>
        AddPrefixSpace == other.AddPrefixSpace && SpecialTokensAsText == other.SpecialTokensAsText && Tokens.SequenceEqual(other.Tokens)
        && Names.Count == other.Names.Count && Names.All(n => other.Names.TryGetValue(n.Key, out var name) && name == n.Value);

    /// <summary>Refuses what no tokenizer could work with.</summary>
    /// <exception cref="InvalidDataException">A token has no text, or an id that the model lacks or another token has.</exception>
    public void Check(RobertaConfig config)
    {
        if (Tokens is null || Names is null || Tokens.Any(t => t is null))
            throw new InvalidDataException("The tokenizer's rule lacks its tokens or their names.");
        var (ids, contents) = (new Dictionary<int, string>(), new HashSet<string>(StringComparer.Ordinal));
        foreach (var token in Tokens)
        {
            if (string.IsNullOrEmpty(token.Content))
                throw new InvalidDataException($"The tokenizer's added token with the id {token.Id} has no text.");
            if (token.Id < 0 || token.Id >= config.VocabularySize)
                throw new InvalidDataException($"The tokenizer gives its added token '{token.Content}' the id {token.Id}, but the model's config.json has a vocab_size of {config.VocabularySize}: resize the model's embeddings to the tokenizer (resize_token_embeddings), or remove the token.");
            if (!ids.TryAdd(token.Id, token.Content))
                throw new InvalidDataException($"The tokenizer gives the id {token.Id} to both '{ids[token.Id]}' and '{token.Content}'.");
            if (!contents.Add(token.Content))
                throw new InvalidDataException($"The tokenizer has the added token '{token.Content}' twice.");
        }
    }
}
