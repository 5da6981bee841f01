using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Trainers;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Fine-tunes a RoBERTa with LoRA to tell classes apart. Made by
/// <c>mlContext.MulticlassClassification.Trainers.LoraTextClassification(…)</c>.
/// </summary>
/// <remarks>
/// Reads one or two text columns and a key label, usually made by <c>Transforms.Conversion.MapValueToKey</c>; the number of
/// classes is the key's, so that a class without training rows keeps its place. Writes <c>PredictedLabel</c>, a key of the
/// label's values, and <c>Score</c>, a vector with the probability of each class.
/// </remarks>
public sealed class LoraTextClassificationTrainer : IEstimator<LoraTextClassificationTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly Options _options;

    internal LoraTextClassificationTrainer(IHostEnvironment environment, Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _environment = environment;
        _options = (Options)options.Clone();
        TrainerKind.Check(_options);
    }

    /// <summary>Trains. Long: see <see cref="LoraTrainerOptions.Progress"/> and <see cref="LoraTrainerOptions.CancellationToken"/>.</summary>
    /// <param name="input">Rows with the columns that the options name.</param>
    /// <returns>The trained model, which holds native memory until disposed.</returns>
    /// <exception cref="ArgumentException">A column is missing or of another type, or an option does not fit the base model.</exception>
    /// <exception cref="InvalidOperationException">TorchSharp's native libraries cannot be loaded, or a CUDA device was asked for and is not there; the message says what is missing.</exception>
    /// <exception cref="InvalidDataException">There are no rows, one class only, or a row without a valid label; or the base model is damaged.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before an epoch had ended.</exception>
    public LoraTextClassificationTransformer Fit(IDataView input) => new(new TextTrainerRun(_environment, _options).Fit(input));

    /// <summary>The input's columns and those that the model will write.</summary>
    /// <exception cref="ArgumentException">A column is missing or of another type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) =>
        TrainerSchema.Append(inputSchema, MulticlassColumns.Shape(
            _options.ScoreColumnName, _options.PredictedLabelColumnName, TrainerSchema.Check(inputSchema, TextTrainerRun.Columns(_options), LabelKind.Key)));

    /// <summary>Options of the multiclass trainer.</summary>
    public sealed class Options : LoraTrainerOptions
    {
        /// <summary>The column of the predicted class written, a key of the label's values. Default <c>PredictedLabel</c>.</summary>
        public string PredictedLabelColumnName { get; set; } = "PredictedLabel";

        /// <summary>What the best epoch is kept by, and early stopping judges by. Default accuracy.</summary>
        public ClassificationValidationMetric ValidationMetric { get; set; }

        /// <summary>How much the rows of each class count. Default none: all the same.</summary>
        public ClassWeights ClassWeights { get; set; } = ClassWeights.None;
    }
}
