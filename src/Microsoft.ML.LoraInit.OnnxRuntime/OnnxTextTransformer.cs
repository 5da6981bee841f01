using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.LoraInit.Onnx;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// A trained model, adapters merged, that ONNX Runtime scores: the columns and annotations of the model that it was made of
/// (<see cref="OnnxRuntimeExtensions.ToOnnxRuntime(LoraTextTransformer, OnnxScoringOptions?)"/>), without libtorch.
/// <c>mlContext.Model.Save</c> and <c>Load</c> work in any process, with no registration call.
/// </summary>
/// <remarks>
/// <see cref="Transform"/> reads ahead a bounded window of rows and scores it in batches of like length; a
/// <c>PredictionEngine</c> scores row by row, and rows of several engines at a time are gathered into one forward pass
/// (<see cref="Scoring"/>). Several threads and engines may use one model at a time. In fp32 the scores are those of the model that it was
/// made of within 1e-5; in 8 bits they also depend a little on the rows of a batch. The model holds native memory until
/// <see cref="Dispose"/>, and the ONNX file's bytes beside it so that it can be saved again; a <c>PredictionEngine</c> disposes its model
/// unless told otherwise.
/// </remarks>
public sealed class OnnxTextTransformer : ITextTransformer, IDisposable
{
    private readonly OnnxTextModel _model;

    internal OnnxTextTransformer(OnnxTextModel model) => _model = model;

    internal OnnxTextModel Model => _model;

    /// <summary>The base model's id: <c>mini</c>, a hub id, or a folder's name.</summary>
    public string BaseModelId => _model.ModelSettings.BaseModelId;

    /// <summary>SHA-256 of the base model's weights, in lower-case hexadecimal.</summary>
    public string BaseModelSha256 => _model.ModelSettings.BaseModelSha256;

    /// <inheritdoc/>
    public string TextColumnName => _model.ModelSettings.Texts.Text;

    /// <inheritdoc/>
    public string? Text2ColumnName => _model.ModelSettings.Texts.Text2;

    /// <summary>
    /// How the model scores. Setting it opens the model anew in ONNX Runtime; calls under way finish as they began. Of a loaded model
    /// it is the default. <see cref="OnnxScoringOptions.Int8"/> says what the weights are and cannot be changed.
    /// </summary>
    /// <exception cref="ArgumentException">An option is out of range, or <see cref="OnnxScoringOptions.Int8"/> is not the model's.</exception>
    /// <exception cref="InvalidOperationException">The execution provider is missing.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public OnnxScoringOptions Scoring
    {
        get => _model.Scoring;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            _model.Configure(value);
        }
    }

    /// <summary>The model's tokenizer, with the length and the rule for long texts that it scores with.</summary>
    public RobertaTextTokenizer Tokenizer => _model.TextTokenizer;

    /// <summary>Always true: rows are scored independently of each other.</summary>
    bool ITransformer.IsRowToRowMapper => true;

    /// <summary>The input's columns and the model's after them.</summary>
    /// <exception cref="ArgumentException">A text column is missing or not text.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Schema(inputSchema).Output;

    /// <summary>The rows with their scores, which are computed when they are read.</summary>
    /// <exception cref="ArgumentException">A text column is missing or not text.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new ScoredDataView<TextPair, float[]>(input, Schema(input.Schema), _model.Scorer);
    }

    /// <summary>Scores single rows.</summary>
    IRowToRowMapper ITransformer.GetRowToRowMapper(DataViewSchema inputSchema) =>
        new ScoringRowMapper<TextPair, float[]>(Schema(inputSchema), _model.Scorer);

    /// <summary>Called by <c>mlContext.Model.Save</c>.</summary>
    void ICanSaveModel.Save(ModelSaveContext ctx) =>
        MLNetModelContext.Save(ctx, MLNetModelContext.OnnxText, stream => OnnxModelFormat.Write(stream, _model), typeof(OnnxTextTransformer).Assembly);

    /// <summary>Frees the native memory; scoring afterwards throws <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose() => _model.Dispose();

    private ScoringSchema Schema(DataViewSchema input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new(input, _model.ModelSettings.Texts, _model.ModelSettings.Scores);
    }
}
