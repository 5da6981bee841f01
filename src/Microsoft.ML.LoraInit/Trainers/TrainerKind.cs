using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Inference.Outputs;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>What the type of a trainer's options decides: the label read, the columns written and so the task, and what is checked.</summary>
/// <param name="Label">What the label column holds.</param>
/// <param name="Outputs">The names of the columns written.</param>
/// <param name="ClassWeights">Weights of the classes, or null where the task has no classes.</param>
/// <param name="Scores">The model's columns, from the label column and its number of values.</param>
internal sealed record TrainerKind(
    LabelKind Label, IReadOnlyList<string?> Outputs, ClassWeights? ClassWeights, Func<DataViewSchema.Column, int, ScoreColumns> Scores)
{
    /// <summary>The kind that options are of.</summary>
    /// <exception cref="ArgumentException">They are no trainer's.</exception>
    public static TrainerKind Of(LoraTrainerOptions options) => options switch
    {
        LoraTextClassificationTrainer.Options o => new(LabelKind.Key, [o.PredictedLabelColumnName, o.ScoreColumnName], o.ClassWeights,
            (label, classes) => new MulticlassColumns(o.ScoreColumnName, o.PredictedLabelColumnName, classes, ClassNames.Of(label), o.ValidationMetric)),
        LoraNewClassesTrainer.Options o => new(LabelKind.Key, [o.PredictedLabelColumnName, o.ScoreColumnName], o.ClassWeights,
            (label, classes) => new MulticlassColumns(o.ScoreColumnName, o.PredictedLabelColumnName, classes, ClassNames.Of(label), o.ValidationMetric)),
        LoraBinaryTextClassificationTrainer.Options o => new(LabelKind.Boolean, [o.PredictedLabelColumnName, o.ScoreColumnName, o.ProbabilityColumnName], o.ClassWeights,
            (_, _) => new BinaryColumns(o.ScoreColumnName, o.ProbabilityColumnName, o.PredictedLabelColumnName, o.ValidationMetric)),
        LoraMultiLabelTextClassificationTrainer.Options o => new(LabelKind.Vector, [o.PredictedLabelColumnName, o.ScoreColumnName, o.ProbabilityColumnName], o.ClassWeights,
            (label, labels) => new MultiLabelColumns(o.ScoreColumnName, o.ProbabilityColumnName, o.PredictedLabelColumnName, labels, LabelVector.Names(label), o.PredictionThreshold)),
        LoraTextRegressionTrainer.Options o => new(LabelKind.Single, [o.ScoreColumnName], null,
            (_, _) => new RegressionColumns(o.ScoreColumnName, o.ValidationMetric)),
        _ => throw new ArgumentException($"Options of the type {options.GetType()} belong to no trainer: use the Options of one.", nameof(options)),
    };

    /// <summary>Checks options by themselves, before the base is opened, and reads the saved models that their method names.</summary>
    /// <param name="options">The trainer's own.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message names it.</exception>
    public static TrainerKind Check(LoraTrainerOptions options)
    {
        var kind = Of(options);
        // What goes on from a model has its method's layers from there.
        if (options is not LoraNewClassesTrainer.Options)
            options.Method = FusionSources.Read(options.Method);
        LoraTrainerOptionsValidator.Check(options, kind.Outputs);
        switch (options)
        {
            case LoraTextClassificationTrainer.Options o:
                LoraTrainerOptionsValidator.CheckMetric(o, o.ValidationMetric);
                LoraTrainerOptionsValidator.CheckClassWeights(o.ClassWeights);
                break;
            case LoraNewClassesTrainer.Options o:
                LoraTrainerOptionsValidator.CheckMetric(o, o.ValidationMetric);
                LoraTrainerOptionsValidator.CheckClassWeights(o.ClassWeights);
                break;
            case LoraBinaryTextClassificationTrainer.Options o:
                LoraTrainerOptionsValidator.CheckMetric(o, o.ValidationMetric);
                LoraTrainerOptionsValidator.CheckClassWeights(o.ClassWeights);
                break;
            case LoraMultiLabelTextClassificationTrainer.Options o:
                LoraTrainerOptionsValidator.CheckMultiLabel(o);
                break;
            case LoraTextRegressionTrainer.Options o:
                LoraTrainerOptionsValidator.CheckMetric(o, o.ValidationMetric);
                break;
        }
        return kind;
    }
}
