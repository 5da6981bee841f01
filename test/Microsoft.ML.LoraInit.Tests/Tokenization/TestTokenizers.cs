using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Tests.Tokenization;

/// <summary>The vocabularies that tests use.</summary>
internal static class TestTokenizers
{
    private static readonly Lazy<SubwordTokenizer> LazyMini = new(() => Create(RobertaMiniData.Open("vocab.json"), RobertaMiniData.Open("merges.txt"), 8192));

    public static SubwordTokenizer Mini => LazyMini.Value;

    /// <summary>roberta-base's 50,265 tokens; inconclusive where the shared folder is absent.</summary>
    public static SubwordTokenizer RobertaBase()
    {
        var folder = ParityData.RequireShared(Path.Combine("models", "roberta-base-tokenizer"));
        return Create(File.OpenRead(Path.Combine(folder, "vocab.json")), File.OpenRead(Path.Combine(folder, "merges.txt")), 50265);
    }

    public static SubwordTokenizer Create(Stream vocabulary, Stream merges, int size)
    {
        using (vocabulary)
        using (merges)
            return BytePairTokenizer.Create(vocabulary, merges, Config(size));
    }

    public static RobertaConfig Config(int vocabularySize) => new()
    {
        VocabularySize = vocabularySize,
        HiddenSize = 256,
        Layers = 4,
        Heads = 4,
        IntermediateSize = 1024,
        MaxPositions = 514,
    };
}
