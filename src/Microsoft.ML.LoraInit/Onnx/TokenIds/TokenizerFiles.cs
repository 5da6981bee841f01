using System.Text;
using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Onnx.TokenIds;

/// <summary>The files that a tokenizer is made of, so that it can be stored.</summary>
/// <param name="Config"><c>config.json</c>: the special tokens and the maximum length.</param>
/// <param name="Vocabulary"><c>vocab.json</c>; empty where there is <paramref name="SentencePiece"/>.</param>
/// <param name="Merges"><c>merges.txt</c>; empty where there is <paramref name="SentencePiece"/>.</param>
/// <param name="Rule">What the tokenizer's settings say; null for steps saved by version 0.1.0.</param>
/// <param name="SentencePiece"><c>sentencepiece.bpe.model</c> of an XLM-RoBERTa or CamemBERT; null for a RoBERTa.</param>
internal sealed record TokenizerFiles(
    string Config,
    string Vocabulary,
    string Merges,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] TokenizerRule? Rule = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] byte[]? SentencePiece = null)
{
    public static TokenizerFiles Read(CheckpointFiles files, TokenizerRule? rule)
    {
        var content = files.VocabularyNames.ToDictionary(name => name, name => Bytes(files.OpenVocabulary(name)));
        return Of(files.ConfigJson, content, rule);
    }

    /// <param name="config"><c>config.json</c>.</param>
    /// <param name="content">The vocabulary's files by name.</param>
    /// <param name="rule">What the tokenizer's settings say.</param>
    public static TokenizerFiles Of(string config, IReadOnlyDictionary<string, byte[]> content, TokenizerRule? rule) =>
        new(config, Text(content, TokenizerNames.Vocabulary), Text(content, TokenizerNames.Merges), rule, content.GetValueOrDefault(TokenizerNames.SentencePiece));

    /// <summary>The vocabulary's files by name.</summary>
    [JsonIgnore]
    public IEnumerable<KeyValuePair<string, byte[]>> Content => SentencePiece is not null
        ? [new(TokenizerNames.SentencePiece, SentencePiece)]
        : [new(TokenizerNames.Vocabulary, Encoding.UTF8.GetBytes(Vocabulary)), new(TokenizerNames.Merges, Encoding.UTF8.GetBytes(Merges))];

    /// <exception cref="InvalidDataException">A file is malformed, or does not fit the model.</exception>
    public SubwordTokenizer Tokenizer(RobertaConfig config)
    {
        var content = Content.ToDictionary(StringComparer.Ordinal);
        return new TokenizerFolder(config.ModelType, name => content.TryGetValue(name, out var bytes) ? new MemoryStream(bytes, writable: false) : null, "The model file")
            .Tokenizer(config, Rule ?? TokenizerRule.Plain);
    }

    private static string Text(IReadOnlyDictionary<string, byte[]> content, string name) =>
        content.TryGetValue(name, out var bytes) ? UntrustedFile.Text(bytes, $"The model file's {name}") : "";

    private static byte[] Bytes(Stream stream)
    {
        using (stream)
            return UntrustedFile.Read(stream, UntrustedFile.MaxVocabulary, "The base model's vocabulary");
    }
}
