using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Glue;
using Microsoft.ML.LoraInit.Samples.Data;
using Microsoft.ML.Transforms;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary>The pipeline of each kind of task over the columns of <see cref="DataViews"/>.</summary>
internal static class Pipelines
{
    /// <summary>
    /// Trains. <paramref name="classes"/> are the names in their order (of classes and of labels);
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
            case TaskKind.MultiLabel:
                var vector = LabelVector(ml, classes, DataViews.Delimiter(train.Schema));
                return vector
                    .Append(ml.MulticlassClassification.Trainers.LoraMultiLabelTextClassification(
                        Options<LoraMultiLabelTextClassificationTrainer.Options>(Mapped(vector, validation))))
                    .Fit(train);
            default:
                var keys = LabelKeys(ml, classes);
                return keys
                    .Append(ml.MulticlassClassification.Trainers.LoraTextClassification(Options<LoraTextClassificationTrainer.Options>(Mapped(keys, validation))))
                    .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"))
                    .Fit(train);
        }
    }

    /// <summary>The pipeline that <see cref="Fit"/> would give, around a model made elsewhere.</summary>
    public static ITransformer Around(MLContext ml, LoraTextTransformer model, TaskKind kind, IReadOnlyList<string> classes, IDataView rows)
    {
        if (kind == TaskKind.MultiLabel)
            return new TransformerChain<ITransformer>(LabelVector(ml, classes, DataViews.Delimiter(rows.Schema)).Fit(rows), model);
        if (classes.Count == 0)
            return model;
        var keys = LabelKeys(ml, classes).Fit(rows);
        var names = ml.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(model.Transform(keys.Transform(rows)));
        return new TransformerChain<ITransformer>(keys, model, names);
    }

    /// <summary>The label as a key. The keys are given, not learnt, so that a class keeps its number whatever the file's order.</summary>
    public static ValueToKeyMappingEstimator LabelKeys(MLContext ml, IReadOnlyList<string> classes) =>
        ml.Transforms.Conversion.MapValueToKey(DataViews.Label, keyData: ml.Data.LoadFromEnumerable(classes.Select(c => new ClassName { Value = c })));

    /// <summary>
    /// The label as a vector with a slot for each name, 1 where the row's text has it. These steps are part of the model, so
    /// that it takes rows as files have them.
    /// </summary>
    public static IEstimator<ITransformer> LabelVector(MLContext ml, IReadOnlyList<string> labels, char delimiter) =>
        ml.Transforms.Text.TokenizeIntoWords(DataViews.Label, separators: [delimiter])
            .Append(LabelKeys(ml, labels))
            .Append(ml.Transforms.Conversion.MapKeyToVector(DataViews.Label, outputCountVector: true));

    /// <summary>The names in the order that a model gets them: the layout's, or those that occur, sorted; none for numbers and yes or no.</summary>
    public static IReadOnlyList<string> Classes(TextLayout layout, IEnumerable<TextFileRow> rows)
    {
        if (layout.Kind is not (TaskKind.Multiclass or TaskKind.MultiLabel))
            return [];
        var found = layout.Kind == TaskKind.Multiclass ? rows.Select(r => r.Label!) : rows.SelectMany(r => LabelList.Split(r.Label!, layout.LabelDelimiter));
        return layout.Labels ?? [.. found.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    private static IDataView? Mapped(IEstimator<ITransformer> steps, IDataView? rows) => rows is null ? null : steps.Fit(rows).Transform(rows);

    private sealed class ClassName
    {
        public string? Value { get; set; }
    }
}
