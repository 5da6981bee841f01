using Microsoft.ML.AutoML;
using Microsoft.ML.LoraInit;

namespace Microsoft.ML;

/// <summary>The LoRA text trainers as steps of a pipeline that AutoML sweeps: <c>ml.Auto().LoraTextClassification(…)</c>.</summary>
public static class LoraAutoCatalogExtensions
{
    /// <summary>The multiclass trainer with its settings left to the search. The label must be a key.</summary>
    /// <param name="catalog">Of <c>ml.Auto()</c>.</param>
    /// <param name="options">Makes the options of a trial, anew each time; the search then sets strategy, rank, alpha and learning rate. Null for the defaults.</param>
    /// <param name="space">What is searched; null for the defaults.</param>
    public static SweepableEstimator LoraTextClassification(
        this AutoCatalog catalog, Func<LoraTextClassificationTrainer.Options>? options = null, LoraSearchSpace? space = null) =>
        Create(catalog, options, space, (ml, trial) => ml.MulticlassClassification.Trainers.LoraTextClassification(trial));

    /// <summary>The binary trainer with its settings left to the search. The label must be Boolean.</summary>
    /// <inheritdoc cref="LoraTextClassification"/>
    public static SweepableEstimator LoraBinaryTextClassification(
        this AutoCatalog catalog, Func<LoraBinaryTextClassificationTrainer.Options>? options = null, LoraSearchSpace? space = null) =>
        Create(catalog, options, space, (ml, trial) => ml.BinaryClassification.Trainers.LoraTextClassification(trial));

    /// <summary>The regression trainer with its settings left to the search. The label must be Single.</summary>
    /// <inheritdoc cref="LoraTextClassification"/>
    public static SweepableEstimator LoraTextRegression(
        this AutoCatalog catalog, Func<LoraTextRegressionTrainer.Options>? options = null, LoraSearchSpace? space = null) =>
        Create(catalog, options, space, (ml, trial) => ml.Regression.Trainers.LoraTextRegression(trial));

    private static SweepableEstimator Create<T>(AutoCatalog catalog, Func<T>? options, LoraSearchSpace? space, Func<MLContext, T, IEstimator<ITransformer>> trainer)
        where T : LoraTrainerOptions, new()
    {
        ArgumentNullException.ThrowIfNull(catalog);
        var searched = space ?? new();
        return new(
            (ml, point) =>
            {
                var trial = options?.Invoke() ?? new T();
                searched.Apply(point, trial);
                return trainer(ml, trial);
            },
            searched.ToSearchSpace());
    }
}
