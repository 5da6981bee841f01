using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Persistence;

/// <summary>
/// The stream of one transformer inside an <c>.mlnet</c> file:
/// <code>
/// 0   8   "LORAINIT"
/// 8   4   format version (little-endian, as all numbers)
/// 12  8   offset of the header
/// 20  4   length of the header
/// 24  32  SHA-256 of the header
/// 56  …   the parts, one after another
/// …   …   the header: JSON with every part's name, length and SHA-256
/// </code>
/// </summary>
/// <remarks>
/// Parts: <c>tensors</c> (safetensors, fp32: <c>FineTunedState</c>), and in a self-contained model the base's <c>config.json</c>,
/// <c>vocab.json</c> and <c>merges.txt</c>, or <c>sentencepiece.bpe.model</c>, and <c>model.safetensors</c> (the encoder, in the narrowest type that loses nothing).
/// Version 2 added the tokenizer's rule, the calibration of scores and what is read of long texts, version 3 XLM-RoBERTa and CamemBERT; a model is written as the lowest version that has what it needs.
/// A reader refuses a version above its own, and parts and members of the header that it does not know: whatever is new must
/// raise the version, so that older readers refuse it as newer and not as damaged.
/// </remarks>
internal static class ModelFormat
{
    /// <summary>The newest that this library reads and writes.</summary>
    public const int Version = 3;

    /// <summary>Over RoBERTa's kind of base.</summary>
    public const int WithoutModelType = 2;

    /// <summary>Without a tokenizer's rule.</summary>
    public const int WithoutTokenizer = 1;
    public const int PrefixLength = 56;
    public const int MaxHeaderLength = 64 << 20;

    /// <summary>The most bytes of a part, which is read as one array.</summary>
    public const long MostOfPart = 0x7FFFFFC7; // Array.MaxLength
    public const string Tensors = "tensors";

    public static ReadOnlySpan<byte> Magic => "LORAINIT"u8;

    /// <summary>The version that a model needs.</summary>
    public static int VersionOf(RobertaModelType type, TokenizerRule? rule) =>
        type != RobertaModelType.Roberta ? Version : rule is not null ? WithoutModelType : WithoutTokenizer;

    /// <summary>The parts of a model by name, each with the most bytes that it may have. Others are refused before they are read: new ones raise <see cref="Version"/>.</summary>
    public static IReadOnlyDictionary<string, long> Parts(ModelSaveMode mode)
    {
        var parts = new Dictionary<string, long>(StringComparer.Ordinal) { [Tensors] = MostOfPart };
        if (mode == ModelSaveMode.SelfContained)
            foreach (var (name, limit) in new[] { (CheckpointNames.Config, UntrustedFile.MaxJson), (TokenizerNames.Vocabulary, UntrustedFile.MaxVocabulary), (TokenizerNames.Merges, UntrustedFile.MaxVocabulary), (TokenizerNames.SentencePiece, UntrustedFile.MaxVocabulary), (CheckpointNames.Weights, MostOfPart) })
                parts.Add(name, limit);
        return parts;
    }
}

/// <summary>An entry of the header's list.</summary>
/// <param name="Name">Which part.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Sha256">Lower-case hexadecimal.</param>
internal sealed record ModelPart(string Name, long Length, string Sha256);
