using System.Globalization;
using Microsoft.ML.AutoML;
using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Samples.AutoML;

/// <summary>Lets AutoML look for strategy, rank, alpha and learning rate, as an application would.</summary>
internal static class SettingSearch
{
    private const int RowsToLearnFrom = 330;

    /// <param name="ml">Its seed makes the search repeatable.</param>
    /// <param name="trainFile">Rows to learn from: label and text.</param>
    /// <param name="validationFile">Rows to choose by.</param>
    /// <param name="seconds">The budget.</param>
    /// <param name="trials">Trials at most; null for as many as the budget allows.</param>
    /// <param name="maxEpochs">Of each trial.</param>
    /// <param name="say">Told about each trial.</param>
    public static SearchOutcome Run(MLContext ml, string trainFile, string validationFile, uint seconds, int? trials, int maxEpochs, Action<string> say)
    {
        // Half of the rows tell settings apart as well, and twice as many trials fit into the budget.
        var train = ml.Data.TakeRows(ml.Data.LoadFromTextFile<Request>(trainFile, hasHeader: true), RowsToLearnFrom);
        var validation = ml.Data.LoadFromTextFile<Request>(validationFile, hasHeader: true);

        // The label's keys are learnt once, so that every trial has the same classes.
        var keys = ml.Transforms.Conversion.MapValueToKey("Label").Fit(train);
        var space = new LoraSearchSpace { MinLearningRate = 5e-4, MaxLearningRate = 2e-2 };
        var pipeline = new EstimatorChain<ITransformer>()
            .Append(ml.Auto().LoraTextClassification(() => new() { MaxEpochs = maxEpochs, BatchSize = 16, MaxLength = 32, Seed = 0 }, space));

        var first = double.NaN;
        var monitor = new LoraTrialMonitor(
            trial =>
            {
                if (trial.TrialSettings.TrialId == 0)
                    first = trial.Metric; // the default: the point that AutoML's tuner begins with
                say(string.Create(CultureInfo.InvariantCulture, $"{trial.TrialSettings.TrialId,3}  {trial.Metric:P1}  {trial.DurationInMilliseconds / 1000:0.0} s  {Describe(trial.TrialSettings, space)}"));
            },
            (trial, error) => say($"{trial.TrialId,3}  failed: {error?.Message}"));
        var experiment = ml.Auto().CreateExperiment()
            .SetPipeline(pipeline)
            .SetDataset(keys.Transform(train), keys.Transform(validation))
            .SetMulticlassClassificationMetric(MulticlassClassificationMetric.MicroAccuracy, "Label")
            .SetMonitor(monitor)
            .SetTrainingTimeInSeconds(seconds);
        if (trials is { } count)
            experiment.SetMaxModelToExplore(count);

        var best = experiment.Run();
        using var model = best.Model as IDisposable;
        return new(first, best.Metric, Describe(best.TrialSettings, space));
    }

    private static string Describe(TrialSettings trial, LoraSearchSpace space)
    {
        // AutoML files the points of a pipeline's steps under "_pipeline_" and the step's number.
        var point = trial.Parameter["_pipeline_"].First(p => p.Key != "_SCHEMA_" && p.Value.Keys.Contains("LearningRate")).Value;
        var options = new LoraTextClassificationTrainer.Options();
        space.Apply(point, options);
        return string.Create(CultureInfo.InvariantCulture, $"{options.Initialization.Name}, rank {options.Rank}, alpha {options.Alpha}, learning rate {options.InitialLearningRate:0.0e-0}");
    }

    private sealed class Request
    {
        [LoadColumn(0)]
        public string Label { get; set; } = "";

        [LoadColumn(1)]
        public string Text { get; set; } = "";
    }
}

/// <summary>What a search found.</summary>
/// <param name="Default">The accuracy at the trainer's default setting.</param>
/// <param name="Best">The best accuracy.</param>
/// <param name="BestSetting">The setting that reaches it.</param>
internal sealed record SearchOutcome(double Default, double Best, string BestSetting);
