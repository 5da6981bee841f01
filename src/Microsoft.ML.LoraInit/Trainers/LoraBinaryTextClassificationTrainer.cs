using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Trainers;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Fine-tunes a RoBERTa with LoRA to tell true from false. Made by
/// <c>mlContext.BinaryClassification.Trainers.LoraTextClassification(…)</c>.
/// </summary>
/// <remarks>
/// Reads one or two text columns and a Boolean label. Writes <c>PredictedLabel</c> (Boolean), <c>Score</c> (the logit of
/// true, Single) and <c>Probability</c> (of true, Single in [0, 1]).
/// </remarks>
public sealed class LoraBinaryTextClassificationTrainer : IEstimator<LoraBinaryTextClassificationTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly Options _options;

    internal LoraBinaryTextClassificationTrainer(IHostEnvironment environment, Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _environment = environment;
        _options = (Options)options.Clone();
        TrainerKind.Check(_options);
    }

    /// <inheritdoc cref="LoraTextClassificationTrainer.Fit(IDataView)"/>
    public LoraBinaryTextClassificationTransformer Fit(IDataView input) => new(new TextTrainerRun(_environment, _options).Fit(input));

    /// <inheritdoc cref="LoraTextClassificationTrainer.GetOutputSchema(SchemaShape)"/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        TrainerSchema.Check(inputSchema, TextTrainerRun.Columns(_options), LabelKind.Boolean);
        return TrainerSchema.Append(inputSchema, BinaryColumns.Shape(
            _options.ScoreColumnName, _options.ProbabilityColumnName, _options.PredictedLabelColumnName));
    }

    /// <summary>Options of the binary trainer.</summary>
    public sealed class Options : LoraTrainerOptions
    {
        /// <summary>The Boolean column of the prediction written. Default <c>PredictedLabel</c>.</summary>
        public string PredictedLabelColumnName { get; set; } = "PredictedLabel";

        /// <summary>The column of the probability of true written. Default <c>Probability</c>.</summary>
        public string ProbabilityColumnName { get; set; } = "Probability";

        /// <summary>What the best epoch is kept by, and early stopping judges by. Default accuracy.</summary>
        public ClassificationValidationMetric ValidationMetric { get; set; }

        /// <summary>How much the rows of true and of false count. Default none: all the same.</summary>
        public ClassWeights ClassWeights { get; set; } = ClassWeights.None;
    }
}
