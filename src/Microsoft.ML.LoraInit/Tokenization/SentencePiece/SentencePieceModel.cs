using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Tokenization.SentencePiece;

/// <summary>
/// A Unigram model in SentencePiece's file (google/sentencepiece, src/sentencepiece_model.proto): pieces with the logarithms of their
/// probabilities, and how texts are normalised. Whatever makes other ids than a plain Unigram model is refused by name.
/// </summary>
/// <param name="Pieces">By SentencePiece's number. The first three are the unknown piece, <c>&lt;s&gt;</c> and <c>&lt;/s&gt;</c>, which no text becomes.</param>
/// <param name="Charsmap">How texts are normalised; empty for not at all.</param>
internal sealed record SentencePieceModel(IReadOnlyList<(string Text, float Score)> Pieces, byte[] Charsmap)
{
    /// <summary>Pieces that are none of a text.</summary>
    public const int Specials = 3;

    // TrainerSpec.ModelType and ModelProto.SentencePiece.Type.
    private const int UnigramType = 1, NormalPiece = 1, UnknownPiece = 2, ControlPiece = 3, UnusedPiece = 5;

    /// <summary>What the first pieces are called.</summary>
    private static readonly string[] SpecialTexts = ["<unk>", "<s>", "</s>"];

    /// <param name="bytes">The file.</param>
    /// <param name="source">What error messages call it.</param>
    /// <exception cref="InvalidDataException">It is damaged, or no Unigram model of the usual kind; the message names what is not.</exception>
    public static SentencePieceModel Read(ReadOnlySpan<byte> bytes, string source)
    {
        var pieces = new List<(string, float)>();
        byte[] charsmap = [];
        var fields = new ProtobufFields(bytes, source);
        while (fields.Next())
            switch (fields.Field)
            {
                case 1:
                    pieces.Add(Piece(fields.Bytes(), pieces.Count, source));
                    break;
                case 2:
                    CheckTrainer(fields.Bytes(), source);
                    break;
                case 3:
                    charsmap = Normalizer(fields.Bytes(), source);
                    break;
                default:
                    break; // self-tests, and how ids become texts again
            }
        return new SentencePieceModel(pieces, charsmap).Checked(source);
    }

    /// <summary>The model if it is whole.</summary>
    /// <exception cref="InvalidDataException">It has no pieces, or a piece twice; the message names it.</exception>
    public SentencePieceModel Checked(string source)
    {
        if (Pieces.Count <= Specials)
            throw new InvalidDataException($"'{source}' has {Pieces.Count} pieces: a SentencePiece model has the three special ones and those of texts.");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (text, score) in Pieces)
        {
            if (text.Length == 0 || text.Contains('\0', StringComparison.Ordinal))
                throw new InvalidDataException($"'{source}' has an empty piece, or one with a NUL in it: it is damaged.");
            if (!seen.Add(text))
                throw new InvalidDataException($"'{source}' has the piece '{text}' twice: it is damaged.");
            if (!float.IsFinite(score))
                throw new InvalidDataException($"'{source}' gives the piece '{text}' a score that is no finite number: it is damaged.");
        }
        return this;
    }

    /// <summary>The file; with the same pieces, scores and normalisation it is the same, byte for byte.</summary>
    /// <param name="withCharsmap">Whether it normalises.</param>
    public byte[] ToBytes(bool withCharsmap = true)
    {
        var model = new ProtobufMessage();
        for (int i = 0; i < Pieces.Count; i++)
        {
            var (text, score) = Pieces[i];
            model.Message(1, new ProtobufMessage().Text(1, text).Single(2, score).Integer(3, i == 0 ? UnknownPiece : i < Specials ? ControlPiece : NormalPiece));
        }
        model.Message(2, new ProtobufMessage().Integer(3, UnigramType).Integer(4, Pieces.Count));
        var normalizer = new ProtobufMessage().Text(1, Charsmap.Length > 0 ? "nmt_nfkc" : "identity");
        if (withCharsmap && Charsmap.Length > 0)
            normalizer.Bytes(2, Charsmap);
        return model.Message(3, normalizer).ToArray();
    }

    /// <summary>Whether another model gives the same ids.</summary>
    public bool SameAs(SentencePieceModel other) =>
        Pieces.Skip(Specials).SequenceEqual(other.Pieces.Skip(Specials)) && Charsmap.AsSpan().SequenceEqual(other.Charsmap);

    private static (string Text, float Score) Piece(ReadOnlySpan<byte> message, int index, string source)
    {
        string text = "";
        float score = 0;
        long type = NormalPiece;
        var fields = new ProtobufFields(message, source);
        while (fields.Next())
            switch (fields.Field)
            {
                case 1:
                    text = UntrustedFile.Text(fields.Bytes(), $"A piece of '{source}'");
                    break;
                case 2:
                    score = fields.Single();
                    break;
                case 3:
                    type = fields.Integer();
                    break;
                default:
                    break;
            }
        var expected = index == 0 ? UnknownPiece : index < Specials ? ControlPiece : NormalPiece;
        if (type != expected || (index < Specials && text != SpecialTexts[index]))
            throw new InvalidDataException($"'{source}': the piece {index}, '{text}', is of the type {type}{(type == UnusedPiece ? " (unused)" : "")}; "
                + (index < Specials ? $"'{SpecialTexts[index]}' of the type {expected} is expected there, as in XLM-R's models." : $"after the special pieces only those of texts (type {NormalPiece}) are supported, as in XLM-R's models."));
        return (text, score);
    }

    private static void CheckTrainer(ReadOnlySpan<byte> message, string source)
    {
        var fields = new ProtobufFields(message, source);
        while (fields.Next())
            switch (fields.Field)
            {
                case 3 when fields.Integer() != UnigramType:
                    throw Unsupported(source, "model_type", fields.Integer(), $"Unigram ({UnigramType})");
                case 24 when fields.Integer() != 0:
                    throw Unsupported(source, "treat_whitespace_as_suffix", fields.Integer(), "false");
                case 35 when fields.Integer() != 0:
                    throw Unsupported(source, "byte_fallback", fields.Integer(), "false");
                default:
                    break;
            }
    }

    private static byte[] Normalizer(ReadOnlySpan<byte> message, string source)
    {
        byte[] charsmap = [];
        var fields = new ProtobufFields(message, source);
        while (fields.Next())
            switch (fields.Field)
            {
                case 2:
                    charsmap = fields.Bytes().ToArray();
                    break;
                case 3 when fields.Integer() == 0:
                    throw Unsupported(source, "add_dummy_prefix", 0, "true");
                case 4 when fields.Integer() == 0:
                    throw Unsupported(source, "remove_extra_whitespaces", 0, "true");
                case 5 when fields.Integer() == 0:
                    throw Unsupported(source, "escape_whitespaces", 0, "true");
                default:
                    break;
            }
        return charsmap;
    }

    private static InvalidDataException Unsupported(string source, string setting, long found, string supported) =>
        new($"'{source}': {setting} is {found}; {supported} is supported, as in the models of XLM-R and CamemBERT.");
}
