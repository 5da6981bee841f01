using System.Text.Json;
using Microsoft.ML.Data;
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
    private const int Format = 1;

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
    /// <exception cref="ArgumentException">A text column is missing or not text.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema)
    {
        Check(inputSchema);
        return _mapping.GetOutputSchema(inputSchema);
    }

    /// <summary>The rows with their ids, which are computed when they are read.</summary>
    /// <exception cref="ArgumentException">A text column is missing or not text.</exception>
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
        ctx, MLNetModelContext.TokenIds, stream => JsonSerializer.Serialize(stream, new Stored(Format, _columns, _tokenizer.MaxLength, _tokenizer.Files)));

    /// <summary>Reads what <c>Save</c> wrote.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or newer than this library.</exception>
    internal static RobertaTokenIdTransformer Load(Stream stream)
    {
        Stored stored;
        try
        {
            stored = JsonSerializer.Deserialize<Stored>(stream) ?? throw new JsonException("it is empty");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"The model file is damaged: the tokenising step cannot be read ({e.Message}). Save the model again.", e);
        }
        if (stored.Format != Format)
            throw new InvalidDataException($"The model was saved by another version of Microsoft.ML.LoraInit: its tokenising step has the format {stored.Format}, this library reads {Format}. Update the package.");
        return new(new RobertaTextTokenizer(stored.Files, stored.MaxLength), stored.Columns);
    }

    private void Check(DataViewSchema schema)
    {
        ArgumentNullException.ThrowIfNull(schema);
        new TextColumns(_columns.Text, _columns.Text2).Check(schema, LabelKind.Key);
    }

    /// <summary>What a saved step keeps.</summary>
    internal sealed record Stored(int Format, TokenIdColumns Columns, int MaxLength, TokenizerFiles Files);
}
