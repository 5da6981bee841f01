using Microsoft.ML.LoraInit.Adapters.Family;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Trainers;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Teaches a trained multiclass model further classes from rows of those alone; the new model knows the old and the new ones. Made by
/// <c>mlContext.MulticlassClassification.Trainers.LoraNewClasses(model, …)</c>.
/// </summary>
/// <remarks>
/// Each <c>Fit</c> is a stage of SD-LoRA (<see cref="SdLoraMethod"/>): the rows of old classes are not needed, and what the model learnt of them stays, but
/// for how much of it counts. Classes are told apart by name, so the label is a key of texts; the rows may be of new classes only, and of at
/// least two; a class that only the keys have and no row is none of them. The given model stays as it is. Base, text columns, layers and texts' length are the model's. The new one can learn in turn.
/// </remarks>
/// <example><code>
/// var first = trainer.Fit(rowsOfJanuary);                                                     // any LoRA text classification over key labels
/// var next = ml.MulticlassClassification.Trainers.LoraNewClasses(first).Fit(rowsOfFebruary);  // knows the classes of both months
/// </code></example>
public sealed class LoraNewClassesTrainer : IEstimator<LoraTextClassificationTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly LoraTextTransformer _model;
    private readonly MulticlassColumns _columns;
    private readonly Options _options;

    internal LoraNewClassesTrainer(IHostEnvironment environment, LoraTextTransformer model, Options options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        (_environment, _model) = (environment, model);
        _columns = Model.ModelSettings.Scores as MulticlassColumns
            ?? throw new ArgumentException($"The model is one of the task '{Model.ModelSettings.Scores.Task.Kind}', which has no classes to add to: give one that LoraTextClassification trained on key labels.", nameof(model));
        if (_columns.Classes is null)
            throw new ArgumentException("The model's classes have no names, by which new ones could be told from old ones: train it on keys that MapValueToKey made.", nameof(model));
        _options = Own((Options)options.Clone());
        TrainerKind.Check(_options);
    }

    private FineTunedModel Model => _model.Model;

    /// <summary>Trains on rows of new classes.</summary>
    /// <param name="input">Rows with the model's text columns and a key label.</param>
    /// <returns>A model of all classes, the old ones first, which holds native memory until disposed.</returns>
    /// <exception cref="ArgumentException">A column is missing or of another type, no class is new, or an option does not fit.</exception>
    /// <exception cref="NotSupportedException">The model was trained by a method that cannot go on so.</exception>
    /// <exception cref="InvalidDataException">A row is of an old class, all are of one class, or the base model has changed.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before an epoch had ended.</exception>
    public LoraTextClassificationTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var options = (Options)_options.Clone();
        if (!options.Method.KeepsKnownClasses)
            return Fit(input, options, null);
        using var earlier = EarlierDirections.Of(Model.State);
        options.Method = new SdLoraMethod { Stages = earlier.Count + 1, EarlierRank = earlier.Rank };
        TrainerKind.Check(options); // the initialisation, with a stage before
        return Fit(input, options, earlier);
    }

    /// <summary>The input's columns and those that the model will write.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type, or the label column has an output's name.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) =>
        TrainerSchema.Append(inputSchema, TextTrainerRun.Columns(_options), MulticlassColumns.Shape(
            _columns.Score, _columns.PredictedLabel, TrainerSchema.Check(inputSchema, TextTrainerRun.Columns(_options), LabelKind.Key)));

    private LoraTextClassificationTransformer Fit(IDataView input, Options options, EarlierDirections? earlier)
    {
        var rows = NewClassLabels.Widen(input, options.LabelColumnName, _columns.Classes!);
        return new(new TextTrainerRun(_environment, options, new(Model, earlier)).Fit(rows));
    }

    /// <summary>The options with what the model decides.</summary>
    /// <exception cref="ArgumentException">Such an option was set to something of its own.</exception>
    private Options Own(Options options)
    {
        var (defaults, settings) = (new Options(), Model.ModelSettings);
        (string Name, bool IsDefault)[] decided =
        [
            (nameof(options.BaseModel), options.BaseModel == defaults.BaseModel),
            (nameof(options.TextColumnName), options.TextColumnName == defaults.TextColumnName),
            (nameof(options.Text2ColumnName), options.Text2ColumnName is null),
            (nameof(options.ScoreColumnName), options.ScoreColumnName == defaults.ScoreColumnName),
            (nameof(options.TargetModules), options.TargetModules == defaults.TargetModules),
            (nameof(options.ExcludeModules), options.ExcludeModules is null),
            (nameof(options.LayersToTransform), options.LayersToTransform is null),
            (nameof(options.UseDora), !options.UseDora),
            (nameof(options.InitialAdapter), options.InitialAdapter is null),
            (nameof(options.BaseQuantization), options.BaseQuantization == defaults.BaseQuantization),
            (nameof(options.MaxLength), options.MaxLength is null),
            (nameof(options.LongText), options.LongText == defaults.LongText),
            (nameof(options.SpecialTokensAsText), !options.SpecialTokensAsText),
        ];
        if (decided.FirstOrDefault(d => !d.IsDefault) is { Name: { } name })
            throw new ArgumentException($"{name} is set, and the model that learns new classes brings its own: leave {name} at its default.");
        if (options.Method is SdLoraMethod { Stages: > 1 } stages)
            throw new ArgumentException($"Method = sd-lora with stages = {stages.Stages}: the stages are counted from the model. Leave Method at its default.");
        if (!options.Method.KeepsKnownClasses && options.Method != _model.Method)
            throw new ArgumentException($"Method = {options.Method.Name} does not go on from a model of the method '{_model.Method.Name}': leave Method at its default, or give the model's own to train everything of it on, by which it forgets.");
        if (!options.Method.KeepsKnownClasses)
            options.Initialization = _model.Initialization ?? options.Initialization;
        options.BaseModel = Model.Checkpoint;
        (options.TextColumnName, options.Text2ColumnName, options.ScoreColumnName) = (settings.Texts.Text, settings.Texts.Text2, _columns.Score);
        options.PredictedLabelColumnName = _columns.PredictedLabel;
        (options.MaxLength, options.LongText) = (settings.MaxLength, settings.LongText);
        if (Model.State.Adapters.Count > 0)
            options.TargetModules = TargetModules.Named([.. Model.State.Adapters.Select(a => a.Target.ModuleName)]);
        return options;
    }

    /// <summary>Options of the trainer of new classes. <see cref="LoraTrainerOptions.Rank"/> and <see cref="LoraTrainerOptions.Alpha"/> are those of the stage.</summary>
    public sealed class Options : LoraTrainerOptions
    {
        /// <summary>The method is SD-LoRA, which keeps what was learnt. That of the model trains everything of it on, by which it forgets; for comparison.</summary>
        public Options() => Method = FineTuningMethod.SdLora();

        /// <summary>What the best epoch is kept by, and early stopping judges by, over rows of old and new classes. Default accuracy.</summary>
        public ClassificationValidationMetric ValidationMetric { get; set; }

        /// <summary>How much the rows of each new class count; known classes have no weight. Default none: all the same.</summary>
        public ClassWeights ClassWeights { get; set; } = ClassWeights.None;

        internal string PredictedLabelColumnName { get; set; } = "PredictedLabel";
    }
}
