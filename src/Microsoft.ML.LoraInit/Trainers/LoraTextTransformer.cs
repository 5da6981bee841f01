using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.LoraInit.Persistence;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// A fine-tuned model as a pipeline step. <c>mlContext.Model.Save</c> and <c>Load</c> work in any process, with no registration
/// call.
/// </summary>
/// <remarks>
/// <see cref="Transform"/> reads ahead a bounded window of rows and scores it in batches of like length; a
/// <c>PredictionEngine</c> scores row by row, and rows of several engines at a time are gathered into one forward pass
/// (<see cref="Scoring"/>). Several threads and engines may use one model at a time. The model holds native
/// memory until <see cref="Dispose"/>; a <c>PredictionEngine</c> disposes its model unless told otherwise
/// (<c>PredictionEngineOptions.OwnsTransformer</c>).
/// </remarks>
public abstract class LoraTextTransformer : ITextTransformer, IDisposable
{
    private readonly FineTunedModel _model;

    private protected LoraTextTransformer(FineTunedModel model)
    {
        _model = model;
        SaveMode = model.ModelSettings.SaveMode;
    }

    /// <exception cref="ObjectDisposedException">The model was disposed; the message says by whom it may have been.</exception>
    internal FineTunedModel Model => !_model.IsDisposed ? _model : throw new ObjectDisposedException(
        GetType().Name, $"The model was disposed, so its tensors are gone and it can be neither saved nor exported. A PredictionEngine disposes the model that it was made of, unless {nameof(PredictionEngineOptions)}.{nameof(PredictionEngineOptions.OwnsTransformer)} is false: set that, or save before the engine is disposed.");

    /// <summary>How the training went.</summary>
    public TrainingHistory History => _model.History;

    /// <summary>What was trained.</summary>
    public FineTuningMethod Method => _model.State.Method;

    /// <summary>How the adapters started; null for a method without adapters.</summary>
    public LoraInitialization? Initialization => _model.State.Description.Initialization;

    /// <summary>
    /// What was trained and how it started, as a saved model stores it: <c>method</c>, <c>initialization</c> and, for each layer
    /// with an adapter, <c>adapters</c> with its module, rank and alpha; <c>classWeights</c> where there were some. A copy.
    /// </summary>
    public JsonObject FineTuning => DescriptionJson.Of(_model.State);

    /// <summary>The base model's id: <c>mini</c>, a hub id, or a folder's name.</summary>
    public string BaseModelId => _model.State.Base.Id;

    /// <summary>SHA-256 of the base model's weights, in lower-case hexadecimal.</summary>
    public string BaseModelSha256 => _model.State.Base.Sha256;

    /// <summary>
    /// What logits are divided by before they become probabilities, fitted on validation rows after training
    /// (<see cref="LoraTrainerOptions.TemperatureScaling"/>); 1 where nothing was fitted. Where there is a <see cref="TemperatureBend"/>,
    /// the single number that comes nearest to it, which folders for Python have in the head.
    /// </summary>
    public double Temperature => _model.ModelSettings.Scores.Calibration.Temperature;

    /// <summary>Two temperatures that take the place of <see cref="Temperature"/>, where validation rows gave reason enough; else null.</summary>
    public TemperatureBend? TemperatureBend => _model.ModelSettings.Scores.Calibration.Bend;

    /// <inheritdoc/>
    public string TextColumnName => _model.ModelSettings.Texts.Text;

    /// <inheritdoc/>
    public string? Text2ColumnName => _model.ModelSettings.Texts.Text2;

    /// <summary>What a saved model contains; the trainer's option, which may be changed before saving.</summary>
    public ModelSaveMode SaveMode { get; set; }

    /// <summary>
    /// How the model scores: precision, gathering of concurrent rows, threads. Setting it merges the weights anew from the base
    /// model, which takes as long as loading; calls under way finish as they began. Not saved.
    /// </summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="InvalidOperationException"><see cref="ScoringOptions.Int8"/> was asked for, and its package is missing.</exception>
    /// <exception cref="InvalidDataException">The base model has changed since it was loaded.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public ScoringOptions Scoring
    {
        get => _model.Scoring;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            _model.Configure(value);
        }
    }

    /// <summary>Always true: rows are scored independently of each other.</summary>
    bool ITransformer.IsRowToRowMapper => true;

    /// <summary>The input's columns and the model's after them.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A text column is missing or not text.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Schema(inputSchema).Output;

    /// <summary>The rows with their scores, which are computed when they are read.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A text column is missing or not text.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new ScoredDataView<TextPair, float[]>(input, Schema(input.Schema), _model.Scorer);
    }

    /// <summary>
    /// Says what each token of a text added to each of the model's scores, by integrated gradients over the tokens' embeddings
    /// (arXiv 1703.01365). Takes some <see cref="ExplanationOptions.Steps"/> times as long as a prediction, and as often again for
    /// each class. Several threads may call it at a time.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="text2">The second text, for a model of pairs; null otherwise.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range, or there are two texts for a model of one or the other way round.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public TextExplanation Explain(string text, string? text2 = null, ExplanationOptions? options = null)
    {
        return _model.Explainer.Explain(Checked(text, text2), _model.ModelSettings.Scores.Task, options ?? new());
    }

    /// <summary>Says how much each layer of a fused model (<see cref="AdapterFusionMethod"/>) takes of each of its sources for a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="text2">The second text, for a model of pairs; null otherwise.</param>
    /// <returns>A share for each layer and source, layer by layer in the sources' order.</returns>
    /// <exception cref="NotSupportedException">The model was trained by another method.</exception>
    /// <exception cref="ArgumentException">There are two texts for a model of one or the other way round.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public IReadOnlyList<FusionShare> FusionShares(string text, string? text2 = null) => Method is AdapterFusionMethod fusion
        ? _model.Explainer.Shares(Checked(text, text2), [.. fusion.Sources.Select(s => s.Name)])
        : throw new NotSupportedException($"The model was trained by the method '{Method.Name}' and fuses no sources: train one with FineTuningMethod.AdapterFusion.");

    /// <summary>Scores single rows.</summary>
    IRowToRowMapper ITransformer.GetRowToRowMapper(DataViewSchema inputSchema) =>
        new ScoringRowMapper<TextPair, float[]>(Schema(inputSchema), _model.Scorer);

    /// <summary>Called by <c>mlContext.Model.Save</c>.</summary>
    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        var model = Model; // before anything is written
        MLNetModelContext.Save(ctx, stream => ModelWriter.Write(stream, model, SaveMode));
    }

    /// <summary>Frees the native memory; scoring afterwards throws <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        _model.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Reads what <c>Save</c> wrote.</summary>
    internal static LoraTextTransformer Load(IHostEnvironment environment, Stream stream) =>
        Of(ModelReader.Read(stream, ComputeDevice.Resolve(environment, null)));

    /// <summary>The transformer of a model's kind; takes the model over.</summary>
    internal static LoraTextTransformer Of(FineTunedModel model) => model.ModelSettings.Scores switch
    {
        MulticlassColumns => new LoraTextClassificationTransformer(model),
        MultiLabelColumns => new LoraMultiLabelTextClassificationTransformer(model),
        BinaryColumns => new LoraBinaryTextClassificationTransformer(model),
        _ => new LoraTextRegressionTransformer(model),
    };

    private TextPair Checked(string text, string? text2)
    {
        ArgumentNullException.ThrowIfNull(text);
        return _model.ModelSettings.Texts.Text2 is null == text2 is null ? new(text, text2)
            : throw new ArgumentException(text2 is null ? "The model was trained on pairs of texts: give text2." : "The model was trained on single texts: leave text2 null.", nameof(text2));
    }

    private ScoringSchema Schema(DataViewSchema input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new(input, _model.ModelSettings.Texts, _model.ModelSettings.Scores);
    }
}

/// <summary>A model that <see cref="LoraTextClassificationTrainer"/> trained.</summary>
public sealed class LoraTextClassificationTransformer : LoraTextTransformer
{
    internal LoraTextClassificationTransformer(FineTunedModel model)
        : base(model)
    {
    }
}

/// <summary>A model that <see cref="LoraBinaryTextClassificationTrainer"/> trained.</summary>
public sealed class LoraBinaryTextClassificationTransformer : LoraTextTransformer
{
    internal LoraBinaryTextClassificationTransformer(FineTunedModel model)
        : base(model)
    {
    }
}

/// <summary>A model that <see cref="LoraTextRegressionTrainer"/> trained.</summary>
public sealed class LoraTextRegressionTransformer : LoraTextTransformer
{
    internal LoraTextRegressionTransformer(FineTunedModel model)
        : base(model)
    {
    }
}

/// <summary>A model that <see cref="LoraMultiLabelTextClassificationTrainer"/> trained.</summary>
public sealed class LoraMultiLabelTextClassificationTransformer : LoraTextTransformer
{
    internal LoraMultiLabelTextClassificationTransformer(FineTunedModel model)
        : base(model)
    {
    }
}
