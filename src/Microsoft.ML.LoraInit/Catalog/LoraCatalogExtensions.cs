using Microsoft.ML.LoraInit;
using Microsoft.ML.LoraInit.MLNet;
using static Microsoft.ML.BinaryClassificationCatalog;
using static Microsoft.ML.MulticlassClassificationCatalog;
using static Microsoft.ML.RegressionCatalog;

namespace Microsoft.ML;

/// <summary>The trainers of Microsoft.ML.LoraInit in the catalogs of an <see cref="MLContext"/>.</summary>
public static class LoraCatalogExtensions
{
    /// <summary>Fine-tunes a RoBERTa with LoRA on texts and a key label.</summary>
    /// <param name="catalog"><c>mlContext.MulticlassClassification.Trainers</c>.</param>
    /// <param name="options">All options; copied.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static LoraTextClassificationTrainer LoraTextClassification(
        this MulticlassClassificationTrainers catalog, LoraTextClassificationTrainer.Options options) =>
        new(MLNetEnvironment.Of(catalog), options);

    /// <summary>Fine-tunes a RoBERTa with LoRA on texts and a key label, with the default options for the rest.</summary>
    /// <param name="catalog"><c>mlContext.MulticlassClassification.Trainers</c>.</param>
    /// <param name="labelColumnName">The label, a key.</param>
    /// <param name="textColumnName">The text.</param>
    /// <param name="text2ColumnName">The second text of a pair, or null.</param>
    /// <param name="baseModel">The pre-trained model; null for the embedded mini model.</param>
    /// <param name="initialization">How the adapters start; null for Kaiming.</param>
    /// <param name="maxEpochs">Passes over the data.</param>
    /// <exception cref="ArgumentException">An argument is out of range.</exception>
    public static LoraTextClassificationTrainer LoraTextClassification(
        this MulticlassClassificationTrainers catalog,
        string labelColumnName = "Label",
        string textColumnName = "Text",
        string? text2ColumnName = null,
        RobertaCheckpoint? baseModel = null,
        LoraInitialization? initialization = null,
        int maxEpochs = 3) =>
        catalog.LoraTextClassification(With(new LoraTextClassificationTrainer.Options(), labelColumnName, textColumnName, text2ColumnName, baseModel, initialization, maxEpochs));

    /// <summary>
    /// Teaches a trained model further classes, from rows of those alone; what it learnt of its old ones stays. See <see cref="LoraNewClassesTrainer"/>.
    /// </summary>
    /// <param name="catalog"><c>mlContext.MulticlassClassification.Trainers</c>.</param>
    /// <param name="model">What <c>Fit</c> or <c>mlContext.Model.Load</c> returned: a chain with one LoRA text classification, or that step. It must live until the new model is trained.</param>
    /// <param name="options">All options; copied. Null for the defaults.</param>
    /// <exception cref="ArgumentException">The model has no such step, or is not one of named classes, or an option is out of range.</exception>
    public static LoraNewClassesTrainer LoraNewClasses(
        this MulticlassClassificationTrainers catalog, ITransformer model, LoraNewClassesTrainer.Options? options = null) =>
        new(MLNetEnvironment.Of(catalog), model.Lora(), options ?? new());

    /// <summary>Fine-tunes a RoBERTa with LoRA on texts that have any number of several labels.</summary>
    /// <param name="catalog"><c>mlContext.MulticlassClassification.Trainers</c>.</param>
    /// <param name="options">All options; copied.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static LoraMultiLabelTextClassificationTrainer LoraMultiLabelTextClassification(
        this MulticlassClassificationTrainers catalog, LoraMultiLabelTextClassificationTrainer.Options options) =>
        new(MLNetEnvironment.Of(catalog), options);

    /// <summary>Fine-tunes a RoBERTa with LoRA on texts that have any number of several labels, with the default options for the rest.</summary>
    /// <param name="catalog"><c>mlContext.MulticlassClassification.Trainers</c>.</param>
    /// <param name="labelColumnName">The label, a vector of Boolean or of Single with 0 and 1.</param>
    /// <param name="textColumnName">The text.</param>
    /// <param name="text2ColumnName">The second text of a pair, or null.</param>
    /// <param name="baseModel">The pre-trained model; null for the embedded mini model.</param>
    /// <param name="initialization">How the adapters start; null for Kaiming.</param>
    /// <param name="maxEpochs">Passes over the data.</param>
    /// <exception cref="ArgumentException">An argument is out of range.</exception>
    public static LoraMultiLabelTextClassificationTrainer LoraMultiLabelTextClassification(
        this MulticlassClassificationTrainers catalog,
        string labelColumnName = "Label",
        string textColumnName = "Text",
        string? text2ColumnName = null,
        RobertaCheckpoint? baseModel = null,
        LoraInitialization? initialization = null,
        int maxEpochs = 3) =>
        catalog.LoraMultiLabelTextClassification(With(new LoraMultiLabelTextClassificationTrainer.Options(), labelColumnName, textColumnName, text2ColumnName, baseModel, initialization, maxEpochs));

    /// <summary>Fine-tunes a RoBERTa with LoRA on texts and a Boolean label.</summary>
    /// <param name="catalog"><c>mlContext.BinaryClassification.Trainers</c>.</param>
    /// <param name="options">All options; copied.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static LoraBinaryTextClassificationTrainer LoraTextClassification(
        this BinaryClassificationTrainers catalog, LoraBinaryTextClassificationTrainer.Options options) =>
        new(MLNetEnvironment.Of(catalog), options);

    /// <summary>Fine-tunes a RoBERTa with LoRA on texts and a Boolean label, with the default options for the rest.</summary>
    /// <param name="catalog"><c>mlContext.BinaryClassification.Trainers</c>.</param>
    /// <param name="labelColumnName">The label, Boolean.</param>
    /// <param name="textColumnName">The text.</param>
    /// <param name="text2ColumnName">The second text of a pair, or null.</param>
    /// <param name="baseModel">The pre-trained model; null for the embedded mini model.</param>
    /// <param name="initialization">How the adapters start; null for Kaiming.</param>
    /// <param name="maxEpochs">Passes over the data.</param>
    /// <exception cref="ArgumentException">An argument is out of range.</exception>
    public static LoraBinaryTextClassificationTrainer LoraTextClassification(
        this BinaryClassificationTrainers catalog,
        string labelColumnName = "Label",
        string textColumnName = "Text",
        string? text2ColumnName = null,
        RobertaCheckpoint? baseModel = null,
        LoraInitialization? initialization = null,
        int maxEpochs = 3) =>
        catalog.LoraTextClassification(With(new LoraBinaryTextClassificationTrainer.Options(), labelColumnName, textColumnName, text2ColumnName, baseModel, initialization, maxEpochs));

    /// <summary>Fine-tunes a RoBERTa with LoRA on texts and a numeric label.</summary>
    /// <param name="catalog"><c>mlContext.Regression.Trainers</c>.</param>
    /// <param name="options">All options; copied.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static LoraTextRegressionTrainer LoraTextRegression(this RegressionTrainers catalog, LoraTextRegressionTrainer.Options options) =>
        new(MLNetEnvironment.Of(catalog), options);

    /// <summary>Fine-tunes a RoBERTa with LoRA on texts and a numeric label, with the default options for the rest.</summary>
    /// <param name="catalog"><c>mlContext.Regression.Trainers</c>.</param>
    /// <param name="labelColumnName">The label, Single.</param>
    /// <param name="textColumnName">The text.</param>
    /// <param name="text2ColumnName">The second text of a pair, or null.</param>
    /// <param name="baseModel">The pre-trained model; null for the embedded mini model.</param>
    /// <param name="initialization">How the adapters start; null for Kaiming.</param>
    /// <param name="maxEpochs">Passes over the data.</param>
    /// <exception cref="ArgumentException">An argument is out of range.</exception>
    public static LoraTextRegressionTrainer LoraTextRegression(
        this RegressionTrainers catalog,
        string labelColumnName = "Label",
        string textColumnName = "Text",
        string? text2ColumnName = null,
        RobertaCheckpoint? baseModel = null,
        LoraInitialization? initialization = null,
        int maxEpochs = 3) =>
        catalog.LoraTextRegression(With(new LoraTextRegressionTrainer.Options(), labelColumnName, textColumnName, text2ColumnName, baseModel, initialization, maxEpochs));

    private static TOptions With<TOptions>(
        TOptions options, string label, string text, string? text2, RobertaCheckpoint? baseModel, LoraInitialization? initialization, int maxEpochs)
        where TOptions : LoraTrainerOptions
    {
        options.LabelColumnName = label;
        options.TextColumnName = text;
        options.Text2ColumnName = text2;
        options.BaseModel = baseModel ?? options.BaseModel;
        options.Initialization = initialization ?? options.Initialization;
        options.MaxEpochs = maxEpochs;
        return options;
    }
}
