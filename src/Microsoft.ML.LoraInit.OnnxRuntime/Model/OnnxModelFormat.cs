using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Onnx.TokenIds;
using Microsoft.ML.LoraInit.Persistence;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>
/// The stream of one transformer inside an <c>.mlnet</c> file, laid out as <see cref="ModelFormat"/> says with a beginning of its own,
/// <c>LORAONNX</c>. Parts: <c>model.onnx</c>, and the base's <c>config.json</c>, <c>vocab.json</c> and <c>merges.txt</c>, or <c>sentencepiece.bpe.model</c> (version 2).
/// </summary>
internal static class OnnxModelFormat
{
    public const int Version = 2;

    /// <summary>Over RoBERTa's kind of base.</summary>
    private const int WithoutSentencePiece = 1;

    private const string Onnx = "model.onnx";

    private static readonly JsonSource Source = new("The model file's header", "Get or save the model again.");

    /// <summary>The parts that there may be, each with the most bytes that it may have.</summary>
    private static readonly Dictionary<string, long> Limits = new(StringComparer.Ordinal)
    {
        [Onnx] = int.MaxValue,
        [CheckpointNames.Config] = UntrustedFile.MaxJson,
        [TokenizerNames.Vocabulary] = UntrustedFile.MaxVocabulary,
        [TokenizerNames.Merges] = UntrustedFile.MaxVocabulary,
        [TokenizerNames.SentencePiece] = UntrustedFile.MaxVocabulary,
    };

    private static ReadOnlySpan<byte> Magic => "LORAONNX"u8;

    /// <param name="stream">Seekable; written from its position on.</param>
    /// <param name="model">The model.</param>
    public static void Write(Stream stream, OnnxTextModel model)
    {
        var parts = new PartWriter(stream);
        parts.Part(Onnx, s => s.Write(model.File));
        parts.Part(CheckpointNames.Config, s => s.Write(Encoding.UTF8.GetBytes(model.Tokenizer.Config)));
        foreach (var (name, content) in model.Tokenizer.Content)
            parts.Part(name, s => s.Write(content));
        var settings = model.ModelSettings;
        var header = new Header
        {
            Library = typeof(OnnxModelFormat).Assembly.GetName().Version!.ToString(),
            BaseModelId = settings.BaseModelId,
            BaseModelSha256 = settings.BaseModelSha256,
            Scores = settings.Scores.ToJson(),
            Text = settings.Texts.Text,
            Text2 = settings.Texts.Text2,
            MaxLength = settings.MaxLength,
            Int8 = settings.Int8,
            Tokenizer = model.Tokenizer.Rule,
            LongText = LongTextText.Write(settings.LongText),
            Parts = parts.Parts,
        };
        parts.Finish(Magic, model.Tokenizer.SentencePiece is null ? WithoutSentencePiece : Version, JsonSerializer.SerializeToUtf8Bytes(header, UntrustedJson.Own));
    }

    /// <param name="stream">Seekable, at the model's start; the model goes up to its end.</param>
    /// <exception cref="InvalidDataException">The file is damaged or newer than this library.</exception>
    /// <exception cref="InvalidOperationException">ONNX Runtime's native library is missing.</exception>
    public static OnnxTextModel Read(Stream stream)
    {
        var (header, parts) = PartReader.Read(stream, Magic, Version, "an ONNX text model", json => UntrustedJson.Read<Header>(json, Source), h => h.Parts, _ => Limits);
        try
        {
            var settings = new OnnxTextModel.Settings(
                ScoreColumns.FromJson(header.Scores), new TextColumns(header.Text, header.Text2), header.MaxLength, header.Int8, header.BaseModelId, header.BaseModelSha256)
            { LongText = LongTextText.Read(header.LongText) };
            var config = UntrustedFile.Text(PartReader.Part(parts, CheckpointNames.Config), $"The model file's {CheckpointNames.Config}");
            var vocabulary = VocabularyFiles.Names(RobertaConfigReader.Parse(config, CheckpointNames.Config).ModelType);
            var tokenizer = TokenizerFiles.Of(config, vocabulary.ToDictionary(name => name, name => PartReader.Part(parts, name)), header.Tokenizer);
            return new(settings, PartReader.Part(parts, Onnx), tokenizer, new OnnxScoringOptions { Int8 = header.Int8 });
        }
        catch (FormatException e)
        {
            throw new InvalidDataException($"The model file is damaged: {e.Message}", e);
        }
    }

    /// <summary>The JSON header.</summary>
    private sealed record Header
    {
        /// <summary>The library's version that wrote the file, for messages.</summary>
        public required string Library { get; init; }

        public required string BaseModelId { get; init; }

        public required string BaseModelSha256 { get; init; }

        public required JsonObject Scores { get; init; }

        public required string Text { get; init; }

        public string? Text2 { get; init; }

        public required int MaxLength { get; init; }

        /// <summary>How texts become ids; null as in models of version 0.1.0.</summary>
        public TokenizerRule? Tokenizer { get; init; }

        /// <summary>What is read of long texts; null where they are cut.</summary>
        public string? LongText { get; init; }

        public required bool Int8 { get; init; }

        public required IReadOnlyList<ModelPart> Parts { get; init; }
    }
}
