using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.Trainers;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Fine-tunes a RoBERTa with LoRA to predict a number, such as the similarity of two texts. Made by
/// <c>mlContext.Regression.Trainers.LoraTextRegression(…)</c>.
/// </summary>
/// <remarks>Reads one or two text columns and a Single label. Writes <c>Score</c> (Single), in the label's units.</remarks>
public sealed class LoraTextRegressionTrainer : IEstimator<LoraTextRegressionTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly Options _options;

    internal LoraTextRegressionTrainer(IHostEnvironment environment, Options options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _environment = environment;
        _options = (Options)options.Clone();
        TrainerKind.Check(_options);
    }

    /// <inheritdoc cref="LoraTextClassificationTrainer.Fit(IDataView)"/>
    public LoraTextRegressionTransformer Fit(IDataView input) => new(new TextTrainerRun(_environment, _options).Fit(input));

    /// <inheritdoc cref="LoraTextClassificationTrainer.GetOutputSchema(SchemaShape)"/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        TrainerSchema.Check(inputSchema, TextTrainerRun.Columns(_options), LabelKind.Single);
        return TrainerSchema.Append(inputSchema, RegressionColumns.Shape(_options.ScoreColumnName));
    }

    /// <summary>Options of the regression trainer.</summary>
    public sealed class Options : LoraTrainerOptions
    {
        /// <summary>What the best epoch is kept by, and early stopping judges by. Default Pearson's correlation.</summary>
        public RegressionValidationMetric ValidationMetric { get; set; }
    }
}
