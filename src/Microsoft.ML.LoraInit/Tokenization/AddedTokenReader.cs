namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>Reads an added token as <c>tokenizer.json</c> and <c>tokenizer_config.json</c> describe it.</summary>
internal static class AddedTokenReader
{
    /// <summary>One of a list, with its id.</summary>
    public static AddedToken Read(TokenizerElement token) => Read(token, token.Integer("id"));

    /// <summary>One whose id stands elsewhere: an object, or its text alone.</summary>
    public static AddedToken Read(TokenizerElement token, int id, bool special = false)
    {
        if (token.IsText)
            return new(id, token.Text(), Normalized: !special, Special: special);
        special = token.Flag("special", special);
        return new(
            id, token.Text("content") ?? throw token.Bad("content", "is missing", "a token's text is expected"),
            token.Flag("single_word", false), token.Flag("lstrip", false), token.Flag("rstrip", false), token.Flag("normalized", !special), special);
    }
}
