using System.Text;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Onnx.TokenIds;

/// <summary>The files that a tokenizer is made of, as text, so that it can be stored.</summary>
/// <param name="Config"><c>config.json</c>: the special tokens and the maximum length.</param>
/// <param name="Vocabulary"><c>vocab.json</c>.</param>
/// <param name="Merges"><c>merges.txt</c>.</param>
internal sealed record TokenizerFiles(string Config, string Vocabulary, string Merges)
{
    public static TokenizerFiles Read(CheckpointFiles files) => new(files.ConfigJson, Text(files.OpenVocabulary()), Text(files.OpenMerges()));

    /// <exception cref="InvalidDataException">A file is malformed, or does not fit the model.</exception>
    public RobertaTokenizer Tokenizer(RobertaConfig config)
    {
        using var vocabulary = new MemoryStream(Encoding.UTF8.GetBytes(Vocabulary));
        using var merges = new MemoryStream(Encoding.UTF8.GetBytes(Merges));
        return RobertaTokenizer.Create(vocabulary, merges, config);
    }

    private static string Text(Stream stream)
    {
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
