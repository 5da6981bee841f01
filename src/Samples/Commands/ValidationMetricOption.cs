using System.CommandLine;
using Microsoft.ML.LoraInit.Glue;

namespace Microsoft.ML.LoraInit.Samples.Commands;

/// <summary><c>--validation-metric</c>: what chooses the best epoch. A task of GLUE has its own.</summary>
internal static class ValidationMetricOption
{
    private static readonly Dictionary<string, ClassificationValidationMetric> Classification = new()
    {
        ["accuracy"] = ClassificationValidationMetric.Accuracy,
        ["f1"] = ClassificationValidationMetric.F1,
        ["matthews"] = ClassificationValidationMetric.Matthews,
        ["log-loss"] = ClassificationValidationMetric.LogLoss,
    };

    // With several labels a row there is no choice.
    private static readonly Dictionary<string, bool> MultiLabel = new() { ["f1"] = true };

    private static readonly Dictionary<string, RegressionValidationMetric> Regression = new()
    {
        ["pearson"] = RegressionValidationMetric.Pearson,
        ["spearman"] = RegressionValidationMetric.Spearman,
        ["mse"] = RegressionValidationMetric.MeanSquaredError,
    };

    public static Option<string?> Create()
    {
        var option = new Option<string?>("--validation-metric") { Description = "What chooses the best epoch. Default: the task's own with --task, else accuracy, f1 (micro, with several labels a row) or pearson." };
        option.AcceptOnlyFromAmong([.. Classification.Keys, .. Regression.Keys]);
        return option;
    }

    /// <param name="name">What was asked for; null for the default.</param>
    /// <param name="layout">The data.</param>
    /// <param name="options">Get the metric.</param>
    /// <exception cref="UsageException">The metric is not one of this kind of label.</exception>
    public static void Apply(string? name, TextLayout layout, LoraTrainerOptions options)
    {
        name ??= GlueTask.All.FirstOrDefault(t => t.Name == layout.Name)?.Metric.ToString().ToLowerInvariant();
        if (name is null)
            return;
        switch (options)
        {
            case LoraTextClassificationTrainer.Options multiclass:
                multiclass.ValidationMetric = Get(Classification, name);
                break;
            case LoraBinaryTextClassificationTrainer.Options binary:
                binary.ValidationMetric = Get(Classification, name);
                break;
            case LoraMultiLabelTextClassificationTrainer.Options:
                Get(MultiLabel, name);
                break;
            case LoraTextRegressionTrainer.Options regression:
                regression.ValidationMetric = Get(Regression, name);
                break;
        }
    }

    private static T Get<T>(Dictionary<string, T> known, string name) => known.TryGetValue(name, out var metric)
        ? metric
        : throw new UsageException($"--validation-metric {name} is not for this kind of label; choose {string.Join(", ", known.Keys)}.");
}
