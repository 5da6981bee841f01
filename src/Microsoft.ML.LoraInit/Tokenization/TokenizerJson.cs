namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>What a <c>tokenizer.json</c> (huggingface/tokenizers) of any kind says beside the vocabulary.</summary>
/// <param name="Tokens">The tokens that are found in texts as they are written.</param>
/// <param name="AddPrefixSpace">Whether a space is put before a text.</param>
/// <param name="Cls">What stands before a text.</param>
/// <param name="Sep">What stands behind it.</param>
internal abstract record TokenizerJson(IReadOnlyList<AddedToken> Tokens, bool AddPrefixSpace, (string Name, int Id) Cls, (string Name, int Id) Sep)
{
    /// <summary>The file's added tokens.</summary>
    protected static AddedToken[] AddedTokens(TokenizerElement json) => json.Has("added_tokens") ? [.. json.List("added_tokens").Select(AddedTokenReader.Read)] : [];

    /// <summary>The tokens around a text, in either of the two ways in which files say it.</summary>
    /// <exception cref="InvalidDataException">Texts get others around them than RoBERTa's.</exception>
    protected static ((string Name, int Id) Cls, (string Name, int Id) Sep) Specials(TokenizerElement json)
    {
        const string Expected = "RoBERTa's puts <s> and </s> around a text and </s></s> between two ('RobertaProcessing', or a 'TemplateProcessing' that does)";
        switch (json.Kind("post_processor"))
        {
            case "RobertaProcessing":
                var post = json.Object("post_processor");
                return (Named(post, "cls"), Named(post, "sep"));
            case "TemplateProcessing":
                return Template(json.Object("post_processor"));
            case var kind:
                throw json.Bad("post_processor", kind is null ? "is missing" : $"is '{kind}'", Expected);
        }

        static (string Name, int Id) Named(TokenizerElement post, string key)
        {
            var pair = post.List(key);
            return pair.Count == 2 ? (pair[0].Text(), pair[1].Integer()) : throw post.Bad(key, "is no pair", "a token and its id are expected");
        }

        static string[] Parts(TokenizerElement post, string key) =>
            [.. post.List(key).Select(p => (p.Has("SpecialToken") ? p.Object("SpecialToken") : p.Object("Sequence")).Text("id") ?? "")];

        static ((string Name, int Id) Cls, (string Name, int Id) Sep) Template(TokenizerElement post)
        {
            var (single, pair) = (Parts(post, "single"), Parts(post, "pair"));
            if (single.Length != 3 || single[1] != "A" || !pair.SequenceEqual([single[0], "A", single[2], single[2], "B", single[2]]))
                throw post.Bad("pair", "puts other tokens around texts", Expected);
            return (Known(single[0]), Known(single[2]));

            (string, int) Known(string token)
            {
                var ids = post.Object("special_tokens").Object(token).List("ids");
                return ids.Count == 1 ? (token, ids[0].Integer()) : throw post.Bad("special_tokens", $"gives '{token}' {ids.Count} ids", "one is expected");
            }
        }
    }
}
