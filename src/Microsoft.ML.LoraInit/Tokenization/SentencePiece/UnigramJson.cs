namespace Microsoft.ML.LoraInit.Tokenization.SentencePiece;

/// <summary>What a <c>tokenizer.json</c> (huggingface/tokenizers) says of an XLM-RoBERTa or a CamemBERT. Whatever makes other ids is refused by name.</summary>
internal sealed record UnigramJson(SentencePieceModel Model, IReadOnlyList<AddedToken> Tokens, (string Name, int Id) Cls, (string Name, int Id) Sep)
    : TokenizerJson(Tokens, true, Cls, Sep)
{
    /// <param name="json">The file.</param>
    /// <param name="ids">Where the special tokens are.</param>
    /// <param name="source">What error messages call the file.</param>
    /// <exception cref="InvalidDataException">Not a tokenizer of this kind; the message names the part.</exception>
    public static UnigramJson Parse(TokenizerElement json, FairseqIds ids, string source)
    {
        CheckWords(json);
        var model = json.Object("model");
        if (model.Kind() is not "Unigram" and var kind)
            throw model.Bad("type", $"is '{kind}'", "XLM-RoBERTa's and CamemBERT's is 'Unigram'");
        if (model.Flag("byte_fallback", false))
            throw model.Bad("byte_fallback", "is true", "XLM-RoBERTa's and CamemBERT's is false");
        var vocabulary = model.List("vocab").ConvertAll(Piece);
        if (vocabulary.Count == 0)
            throw model.Bad("vocab", "is empty", "pieces and their scores are expected");
        if (model.Has("unk_id") && model.Integer("unk_id") != ids.Unknown)
            throw model.Bad("unk_id", $"is {model.Integer("unk_id")}", $"it is {ids.Unknown} in this kind of model");
        var (cls, sep) = Specials(json);
        return new(ids.Model(vocabulary, Normalizer(json), source), AddedTokens(json), cls, sep);
    }

    private static (string Text, float Score) Piece(TokenizerElement piece)
    {
        var pair = piece.List();
        return pair.Count == 2 ? (pair[0].Text(), (float)pair[1].Number()) : throw piece.Bad("is no pair", "a piece and its score are expected");
    }

    /// <summary>Words are what is between white space, each with U+2581 before it.</summary>
    // Some files have the second step alone. transformers 5 puts the first before it whatever the file says (fixture of 134 cases).
    private static void CheckWords(TokenizerElement json)
    {
        var steps = json.Kind("pre_tokenizer") switch
        {
            "Sequence" => json.Object("pre_tokenizer").List("pretokenizers"),
            null => throw json.Bad("pre_tokenizer", "is missing", "XLM-RoBERTa's and CamemBERT's is 'Metaspace'"),
            _ => [json.Object("pre_tokenizer")],
        };
        var meta = steps[^1];
        if (steps.Count > 2 || meta.Kind() != "Metaspace" || (steps.Count == 2 && steps[0].Kind() != "WhitespaceSplit"))
            throw json.Bad("pre_tokenizer", $"is '{string.Join(", ", steps.Select(s => s.Kind()))}'", "XLM-RoBERTa's and CamemBERT's is 'WhitespaceSplit, Metaspace', or 'Metaspace'");
        if (meta.Text("replacement") is not (null or "\u2581") and var mark)
            throw meta.Bad("replacement", $"is '{mark}'", "U+2581 is expected");
        if (!meta.Flag("add_prefix_space", true) || meta.Text("prepend_scheme") is not (null or "always") || !meta.Flag("split", true))
            throw meta.Bad("does not put U+2581 before every word", "prepend_scheme 'always' and split are expected");
    }

    /// <summary>The map of characters; besides, spaces may be put together, which is done anyway.</summary>
    private static byte[] Normalizer(TokenizerElement json)
    {
        var steps = json.Kind("normalizer") switch
        {
            null => [],
            "Sequence" => json.Object("normalizer").List("normalizers"),
            _ => [json.Object("normalizer")],
        };
        byte[] charsmap = [];
        for (int i = 0; i < steps.Count; i++)
        {
            if (steps[i].Kind() == "Precompiled" && i == 0)
                charsmap = Decoded(steps[i]);
            else if (!(steps[i].Kind() == "Strip" || (steps[i].Kind() == "Replace" && JoinsSpaces(steps[i]))))
                throw json.Bad("normalizer", $"has the step '{steps[i].Kind()}'", "'Precompiled', and after it what puts spaces together, are supported: others make other ids, which this library does not compute");
        }
        return charsmap;
    }

    private static bool JoinsSpaces(TokenizerElement step) =>
        step.Object("pattern").Text("Regex") is " {2,}" && step.Text("content") is " " or "\u2581";

    private static byte[] Decoded(TokenizerElement step)
    {
        try
        {
            return Convert.FromBase64String(step.Text("precompiled_charsmap") ?? "");
        }
        catch (FormatException)
        {
            throw step.Bad("precompiled_charsmap", "is not in base 64", "the file is damaged");
        }
    }
}
