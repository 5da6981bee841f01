using System.Text;
using System.Text.Json;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Tokenization;

/// <summary>RoBERTa's vocabulary: <c>vocab.json</c> and <c>merges.txt</c>, or <c>tokenizer.json</c>.</summary>
/// <inheritdoc cref="VocabularyFiles"/>
internal sealed class BytePairFiles(Func<string, Stream?> open, string source) : VocabularyFiles(open, source)
{
    protected override IReadOnlyList<string> OwnNames => Names(RobertaModelType.Roberta);

    public override IReadOnlyDictionary<string, int> Ids()
    {
        if (!IsComplete)
            throw Missing();
        var json = (BytePairJson?)Json;
        if (!HasOwn)
            return json!.Vocabulary;
        var (vocabulary, merges) = Content();
        return json is null || Same((json.Vocabulary, json.Merges), (vocabulary, merges)) ? vocabulary : throw Disagree();
    }

    public override void CheckSame(VocabularyFiles other)
    {
        if (other is not BytePairFiles { } files || !Same(Content(), files.Content()))
            throw Another();
    }

    public override SubwordTokenizer Tokenizer(RobertaConfig config, TokenizerRule rule)
    {
        using var vocabulary = Open(TokenizerNames.Vocabulary);
        using var merges = Open(TokenizerNames.Merges);
        return BytePairTokenizer.Create(vocabulary, merges, config, rule);
    }

    protected override byte[] Made(TokenizerJson json, string name) => name == TokenizerNames.Vocabulary
        ? JsonSerializer.SerializeToUtf8Bytes(((BytePairJson)json).Vocabulary)
        : Encoding.UTF8.GetBytes($"#version: 0.2\n{string.Join('\n', ((BytePairJson)json).Merges)}\n");

    protected override TokenizerJson Parse(TokenizerElement root, string name) => BytePairJson.Parse(root);

    private static bool Same((Dictionary<string, int> Vocabulary, List<string> Merges) one, (Dictionary<string, int> Vocabulary, List<string> Merges) other) =>
        one.Vocabulary.Count == other.Vocabulary.Count && one.Vocabulary.All(t => other.Vocabulary.TryGetValue(t.Key, out var id) && id == t.Value) && one.Merges.SequenceEqual(other.Merges);

    private (Dictionary<string, int> Vocabulary, List<string> Merges) Content()
    {
        using var vocabulary = Open(TokenizerNames.Vocabulary);
        using var merges = Open(TokenizerNames.Merges);
        var ids = VocabularyReader.ReadVocabulary(vocabulary);
        return (ids, VocabularyReader.ReadMerges(merges, ids));
    }
}
