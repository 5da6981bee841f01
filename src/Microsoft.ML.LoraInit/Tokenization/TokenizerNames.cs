namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>The files of a tokenizer in the Hugging Face layout.</summary>
internal static class TokenizerNames
{
    public const string Vocabulary = "vocab.json";
    public const string Merges = "merges.txt";
    public const string SentencePiece = "sentencepiece.bpe.model";
    public const string Tokenizer = "tokenizer.json";
    public const string Settings = "tokenizer_config.json";
    public const string AddedTokens = "added_tokens.json";
    public const string SpecialTokens = "special_tokens_map.json";

    /// <summary>What a checkpoint may have beside its kind's vocabulary.</summary>
    public static readonly IReadOnlyList<string> Optional = [Tokenizer, Settings, AddedTokens, SpecialTokens];

    /// <summary>Any one of these says how texts become ids.</summary>
    public static readonly IReadOnlyList<string> All = [Vocabulary, Merges, SentencePiece, .. Optional];
}
