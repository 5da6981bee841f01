namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>
/// What a <c>tokenizer.json</c> (huggingface/tokenizers) says of a RoBERTa: vocabulary, merges, added tokens and prefix space. Whatever makes
/// other ids than RoBERTa's byte-level BPE is refused by name.
/// </summary>
internal sealed record BytePairJson(
    Dictionary<string, int> Vocabulary, List<string> Merges, IReadOnlyList<AddedToken> Tokens, bool AddPrefixSpace, (string Name, int Id) Cls, (string Name, int Id) Sep)
    : TokenizerJson(Tokens, AddPrefixSpace, Cls, Sep)
{
    /// <exception cref="InvalidDataException">Not a tokenizer of RoBERTa's kind; the message names the part.</exception>
    public static BytePairJson Parse(TokenizerElement json)
    {
        if (json.Kind("normalizer") is { } normalizer)
            throw json.Bad("normalizer", $"is '{normalizer}'", "RoBERTa's has none: another normaliser makes other ids, which this library does not compute");
        var prefix = PrefixSpace(json);
        var model = json.Object("model");
        Check(model);
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (token, id) in model.Object("vocab").Members())
            vocabulary.Add(token, id.Integer());
        var merges = model.List("merges").Select(Merge).ToList();
        var (cls, sep) = Specials(json);
        return new(vocabulary, merges, AddedTokens(json), prefix, cls, sep);
    }

    private static bool PrefixSpace(TokenizerElement json)
    {
        if (json.Kind("pre_tokenizer") is not "ByteLevel" and var kind)
            throw json.Bad("pre_tokenizer", kind is null ? "is missing" : $"is '{kind}'", "RoBERTa's is 'ByteLevel': another one makes other ids, which this library does not compute");
        var pre = json.Object("pre_tokenizer");
        if (!pre.Flag("use_regex", true))
            throw pre.Bad("use_regex", "is false", "RoBERTa cuts a text into pieces first (true)");
        return pre.Flag("add_prefix_space", true);
    }

    private static void Check(TokenizerElement model)
    {
        if (model.Kind() is not (null or "BPE") and var kind)
            throw model.Bad("type", $"is '{kind}'", "RoBERTa's is 'BPE'");
        foreach (var key in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
            if (model.Text(key) is { Length: > 0 } affix)
                throw model.Bad(key, $"is '{affix}'", "RoBERTa's is empty");
        foreach (var key in new[] { "byte_fallback", "ignore_merges" })
            if (model.Flag(key, false))
                throw model.Bad(key, "is true", "RoBERTa's is false");
        if (model.Has("dropout") && model.Number("dropout") > 0)
            throw model.Bad("dropout", "is above 0", "ids must not be random: set it to null");
    }

    // Older files have "a b", newer ones ["a", "b"].
    private static string Merge(TokenizerElement merge)
    {
        if (merge.IsText)
            return merge.Text();
        var pair = merge.List();
        if (pair.Count != 2 || pair[0].Text().Contains(' ', StringComparison.Ordinal) || pair[1].Text().Contains(' ', StringComparison.Ordinal))
            throw merge.Bad("is no pair of tokens", "each merge is \"a b\" or [\"a\", \"b\"]");
        return $"{pair[0].Text()} {pair[1].Text()}";
    }
}
