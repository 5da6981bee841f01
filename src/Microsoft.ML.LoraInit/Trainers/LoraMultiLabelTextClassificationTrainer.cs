using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Trainers;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Fine-tunes a RoBERTa with LoRA to say which of several labels a text has: none, one or more of them. Made by
/// <c>mlContext.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(…)</c>.
/// </summary>
/// <remarks>
/// Reads one or two text columns and a label that is a vector of Boolean, or of Single with 0 and 1, of a known size;
/// <c>Transforms.Concatenate</c> makes one of several columns. The label's slot names, if it has some, name the labels. Writes
/// vectors with a slot for each label and its name: <c>PredictedLabel</c> (Boolean), <c>Score</c> (the logits, Single) and
/// <c>Probability</c> (Single in [0, 1]). <c>mlContext.MulticlassClassification.EvaluateMultiLabel</c> judges them.
/// </remarks>
public sealed class LoraMultiLabelTextClassificationTrainer : IEstimator<LoraMultiLabelTextClassificationTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly Options _options;

    internal LoraMultiLabelTextClassificationTrainer(IHostEnvironment environment, Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _environment = environment;
        _options = (Options)options.Clone();
        TrainerKind.Check(_options);
    }

    /// <inheritdoc cref="LoraTextClassificationTrainer.Fit(IDataView)"/>
    public LoraMultiLabelTextClassificationTransformer Fit(IDataView input) => new(new TextTrainerRun(_environment, _options).Fit(input));

    /// <inheritdoc cref="LoraTextClassificationTrainer.GetOutputSchema(SchemaShape)"/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) =>
        TrainerSchema.Append(inputSchema, MultiLabelColumns.Shape(
            _options.ScoreColumnName, _options.ProbabilityColumnName, _options.PredictedLabelColumnName,
            TrainerSchema.Check(inputSchema, TextTrainerRun.Columns(_options), LabelKind.Vector)));

    /// <summary>Options of the multi-label trainer.</summary>
    public sealed class Options : LoraTrainerOptions
    {
        /// <summary>The Boolean vector of the labels predicted. Default <c>PredictedLabel</c>.</summary>
        public string PredictedLabelColumnName { get; set; } = "PredictedLabel";

        /// <summary>The vector of the labels' probabilities. Default <c>Probability</c>.</summary>
        public string ProbabilityColumnName { get; set; } = "Probability";

        /// <summary>The probability from which on a label is predicted, in (0, 1). Default 0.5.</summary>
        public double PredictionThreshold { get; set; } = 0.5;

        /// <summary>
        /// How much the loss of a label counts where the label is true. Default none: 1 for all. Balanced: true and false of each
        /// label weigh the same in sum. Per class: the label's weight where it is true, 1 where it is false.
        /// </summary>
        public ClassWeights ClassWeights { get; set; } = ClassWeights.None;
    }
}
