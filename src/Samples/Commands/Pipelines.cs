using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Glue.Reading;
using Microsoft.ML.LoraInit.Samples.Data;
using Microsoft.ML.Transforms;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary>The pipeline of each kind of task over the columns of <see cref="DataViews"/>.</summary>
internal static class Pipelines
{
    /// <summary>
    /// Trains. <paramref name="classes"/> are the names in the order of their keys (multiclass only);
    /// <paramref name="configure"/> sets the options that all trainers share.
    /// </summary>
    public static ITransformer Fit(
        MLContext ml, TaskKind kind, IReadOnlyList<string> classes, bool pair, IDataView train, IDataView? validation, Action<LoraTrainerOptions> configure)
    {
        T Options<T>(IDataView? validationRows)
            where T : LoraTrainerOptions, new()
        {
            var options = new T
            {
                TextColumnName = DataViews.Text,
                Text2ColumnName = pair ? DataViews.Text2 : null,
                LabelColumnName = DataViews.Label,
                ValidationData = validationRows,
            };
            configure(options);
            return options;
        }

        switch (kind)
        {
            case TaskKind.Binary:
                return ml.BinaryClassification.Trainers.LoraTextClassification(Options<LoraBinaryTextClassificationTrainer.Options>(validation)).Fit(train);
            case TaskKind.Regression:
                return ml.Regression.Trainers.LoraTextRegression(Options<LoraTextRegressionTrainer.Options>(validation)).Fit(train);
            default:
                var keys = LabelKeys(ml, classes);
                var validationRows = validation is null ? null : keys.Fit(validation).Transform(validation);
                return keys
                    .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(Options<LoraTextClassificationTrainer.Options>(validationRows)))
                    .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"))
                    .Fit(train);
        }
    }

    /// <summary>The pipeline that <see cref="Fit"/> would give, around a model made elsewhere.</summary>
    public static ITransformer Around(MLContext ml, LoraTextTransformer model, IReadOnlyList<string> classes, IDataView rows)
    {
        if (classes.Count == 0)
            return model;
        var keys = LabelKeys(ml, classes).Fit(rows);
        var names = ml.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(model.Transform(keys.Transform(rows)));
        return new TransformerChain<ITransformer>(keys, model, names);
    }

    /// <summary>The label as a key. The keys are given, not learnt, so that a class keeps its number whatever the file's order.</summary>
    public static ValueToKeyMappingEstimator LabelKeys(MLContext ml, IReadOnlyList<string> classes) =>
        ml.Transforms.Conversion.MapValueToKey(DataViews.Label, keyData: ml.Data.LoadFromEnumerable(classes.Select(c => new ClassName { Value = c })));

    private sealed class ClassName
    {
        public string? Value { get; set; }
    }
}
