using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Embeddings;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Texts to vectors as a pipeline step: what ML.NET's own trainers learn from, and what is compared for similarity. Saved and loaded by
/// <c>mlContext.Model</c> in any process, with no registration call.
/// </summary>
/// <remarks>
/// Rows are computed when they are read, a bounded window ahead in batches of like length, as trained models score. Several threads may use
/// one step. It holds native memory until it is disposed of.
/// </remarks>
public sealed class RobertaEmbeddingTransformer : ITransformer, IDisposable
{
    private readonly FineTunedModel _model;
    private readonly EmbeddingColumns _columns;

    internal RobertaEmbeddingTransformer(FineTunedModel model, EmbeddingColumns columns)
    {
        (_model, _columns) = (model, columns);
        SaveMode = model.ModelSettings.SaveMode;
    }

    /// <summary>Numbers a vector: the width of the encoder, 768 in models of base size.</summary>
    public int Dimension => _model.State.Config.HiddenSize;

    /// <summary>How tokens' states become one vector.</summary>
    public SentencePooling Pooling => _columns.Pooling;

    /// <summary>Whether vectors are 1 long.</summary>
    public bool Normalize => _columns.Normalize;

    /// <summary>Tokens a text at most; what is longer is cut.</summary>
    public int MaxLength => _model.ModelSettings.MaxLength;

    /// <summary>The base model's id: <c>mini</c>, a hub id, or a folder's name.</summary>
    public string BaseModelId => _model.State.Base.Id;

    /// <summary>What a saved step contains; the option, which may be changed before saving.</summary>
    public ModelSaveMode SaveMode { get; set; }

    /// <summary>
    /// How vectors are computed from now on: threads, batches, precision. Not saved. <see cref="ScoringOptions.Int8"/> is not offered.
    /// </summary>
    /// <exception cref="ArgumentException">An option is out of range, or 8 bits were asked for.</exception>
    /// <exception cref="InvalidDataException">The base model has changed since it was loaded.</exception>
    /// <exception cref="ObjectDisposedException">The step was disposed.</exception>
    public ScoringOptions Scoring
    {
        get => _model.Scoring;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            _model.Configure(value);
        }
    }

    /// <summary>Always true: rows are computed independently of each other.</summary>
    bool ITransformer.IsRowToRowMapper => true;

    /// <summary>The vectors of texts, in their order. Several threads may call it at a time.</summary>
    /// <param name="texts">The texts; the option's prefix is put before them.</param>
    /// <exception cref="ObjectDisposedException">The step was disposed.</exception>
    public float[][] Embed(IReadOnlyList<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        var vectors = _model.Scorer.Score([.. texts.Select(t => new TextPair(_columns.Prefix + t, null))]);
        if (_columns.Normalize)
            foreach (var vector in vectors)
                EmbeddingSchema.Normalize(vector);
        return vectors;
    }

    /// <summary>The input's columns and the vectors after them.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The text column is missing or not text.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Schema(inputSchema).Output;

    /// <summary>The rows with their vectors, which are computed when they are read.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The text column is missing or not text.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new ScoredDataView<TextPair, float[]>(input, Schema(input.Schema), _model.Scorer);
    }

    /// <summary>Computes single rows.</summary>
    IRowToRowMapper ITransformer.GetRowToRowMapper(DataViewSchema inputSchema) =>
        new ScoringRowMapper<TextPair, float[]>(Schema(inputSchema), _model.Scorer);

    /// <summary>Called by <c>mlContext.Model.Save</c>.</summary>
    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ObjectDisposedException.ThrowIf(_model.IsDisposed, this);
        MLNetModelContext.Save(ctx, MLNetModelContext.Embeddings, stream => EmbeddingFormat.Write(stream, _columns, _model, SaveMode));
    }

    /// <summary>Frees the native memory; computing afterwards throws <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose() => _model.Dispose();

    /// <summary>Reads what <c>Save</c> wrote.</summary>
    internal static RobertaEmbeddingTransformer Load(IHostEnvironment environment, Stream stream)
    {
        var (columns, model) = EmbeddingFormat.Read(stream, ComputeDevice.Resolve(environment, null));
        return new(model, columns);
    }

    private EmbeddingSchema Schema(DataViewSchema input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new(input, _columns, Dimension);
    }
}
