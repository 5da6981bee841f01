using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.LoraInit.Onnx.TokenIds;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Texts to token ids as a pipeline step: what stands before <c>ApplyOnnxModel</c> with a model of <c>SaveOnnxModel</c>. It is
/// saved with its vocabulary and loads in any process, with no registration call.
/// </summary>
public sealed class RobertaTokenIdTransformer : ITransformer
{
    private const int Format = 3, WithoutSentencePiece = 2, WithoutRule = 1;

    private static readonly JsonSerializerOptions Json = UntrustedJson.Strict(new(JsonSerializerDefaults.General));
    private static readonly JsonSource Source = new("The model file's tokenising step", "Get or save the model again.");

    private readonly TokenIdColumns _columns;
    private readonly RobertaTextTokenizer _tokenizer;
    private readonly ITransformer _mapping;

    internal RobertaTokenIdTransformer(RobertaTextTokenizer tokenizer, TokenIdColumns columns)
    {
        (_tokenizer, _columns) = (tokenizer, columns);
        _mapping = columns.Mapping(tokenizer);
    }

    /// <summary>Always true: rows are independent of each other.</summary>
    bool ITransformer.IsRowToRowMapper => true;

    /// <summary>The input's columns, then ids and mask: vectors of Int64.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A text column is missing or not text.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema)
    {
        Check(inputSchema);
        return _mapping.GetOutputSchema(inputSchema);
    }

    /// <summary>The rows with their ids, which are computed when they are read.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A text column is missing or not text.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        Check(input.Schema);
        return _mapping.Transform(input);
    }

    IRowToRowMapper ITransformer.GetRowToRowMapper(DataViewSchema inputSchema)
    {
        Check(inputSchema);
        return _mapping.GetRowToRowMapper(inputSchema);
    }

    /// <summary>Called by <c>mlContext.Model.Save</c>.</summary>
    void ICanSaveModel.Save(ModelSaveContext ctx) => MLNetModelContext.Save(
        ctx, MLNetModelContext.TokenIds, stream => JsonSerializer.Serialize(stream, new Stored(FormatOf(_tokenizer.Files), _columns, _tokenizer.MaxLength, _tokenizer.Files, LongTextText.Write(_tokenizer.LongText)), Json));

    /// <summary>Reads what <c>Save</c> wrote.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or newer than this library.</exception>
    internal static RobertaTokenIdTransformer Load(Stream stream)
    {
        var bytes = UntrustedFile.Read(stream, 4 * UntrustedFile.MaxVocabulary, "The model file's tokenising step");
        var format = UntrustedJson.Object(bytes, Source)[nameof(Stored.Format)] is JsonValue value && value.TryGetValue(out int number) ? number
            : throw Source.Bad(nameof(Stored.Format), "is missing or no number");
        if (format is not (WithoutRule or WithoutSentencePiece or Format))
            throw new InvalidDataException($"The model was saved by another version of Microsoft.ML.LoraInit: its tokenising step has the format {format}, this library reads up to {Format}. Update the package.");
        var stored = UntrustedJson.Read<Stored>(bytes, Source, Json);
        return UntrustedJson.Guard(Source, () => stored.Step());
    }

    private static int FormatOf(TokenizerFiles files) => files.SentencePiece is not null ? Format : files.Rule is not null ? WithoutSentencePiece : WithoutRule;

    private void Check(DataViewSchema schema)
    {
        ArgumentNullException.ThrowIfNull(schema);
        new TextColumns(_columns.Text, _columns.Text2).Check(schema, LabelKind.Key);
    }

    /// <summary>What a saved step keeps.</summary>
    internal sealed record Stored(int Format, TokenIdColumns Columns, int MaxLength, TokenizerFiles Files, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? LongText = null)
    {
        /// <exception cref="ArgumentException">A name or a length does not fit.</exception>
        /// <exception cref="InvalidDataException">A tokenizer's file is malformed.</exception>
        public RobertaTokenIdTransformer Step()
        {
            Columns.Check();
            int longest = RobertaConfigReader.Parse(Files.Config, CheckpointNames.Config).MaxLength;
            foreach (var (name, length) in new[] { (nameof(MaxLength), MaxLength), (nameof(Columns.Length), Columns.Length ?? MaxLength) })
                if (length < RobertaTextTokenizer.LeastLength || length > longest)
                    throw Source.Bad(name, $"is {length}, and the model takes {RobertaTextTokenizer.LeastLength} to {longest} tokens");
            return new(new RobertaTextTokenizer(Files, MaxLength, LongTextText.Read(LongText)), Columns);
        }
    }
}
