using System.Collections;
using System.Globalization;
using System.Reflection;
using Microsoft.ML.LoraInit.Samples.Commands.Options;
using Microsoft.ML.LoraInit.Samples.Output;

namespace Microsoft.ML.LoraInit.Samples.Pages.Run;

/// <summary>What was set, as names and values for people.</summary>
internal static class RunSettings
{
    // Columns are named by the program itself, and rows and reports are no settings.
    private static readonly HashSet<string> Hidden =
    [
        nameof(LoraTrainerOptions.TextColumnName), nameof(LoraTrainerOptions.Text2ColumnName), nameof(LoraTrainerOptions.LabelColumnName), nameof(LoraTrainerOptions.ScoreColumnName),
        nameof(LoraTextClassificationTrainer.Options.PredictedLabelColumnName), nameof(LoraBinaryTextClassificationTrainer.Options.ProbabilityColumnName),
        nameof(LoraTrainerOptions.ExampleWeightColumnName), nameof(LoraTrainerOptions.ValidationData), nameof(LoraTrainerOptions.Progress), nameof(LoraTrainerOptions.CancellationToken),
    ];

    /// <summary>Every option of a trainer, by the name that is typed.</summary>
    public static IEnumerable<(string Name, string Value)> Of(LoraTrainerOptions options)
    {
        var typed = TrainerOption.All().ToDictionary(o => o.Property);
        foreach (var property in options.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance).OrderBy(p => p.MetadataToken))
        {
            var value = property.GetValue(options);
            if (Hidden.Contains(property.Name) || (property.Name == nameof(LoraTrainerOptions.Devices) && value is null))
                continue;
            var option = typed.GetValueOrDefault(property.Name);
            yield return (option?.Name ?? OptionNames.Of(property.Name), Text(option?.IsInverted == true && value is bool on ? !on : value));
        }
    }

    /// <summary>What a saved model tells of itself.</summary>
    public static IEnumerable<(string Name, string Value)> Of(LoraTextTransformer model)
    {
        yield return ("Base model", model.BaseModelId);
        yield return ("SHA-256 of its weights", model.BaseModelSha256);
        yield return ("Method", model.Method.Name);
        if (model.Initialization is { } start)
            yield return ("Initialisation", Text(start));
        yield return ("Epochs", $"{model.History.Epochs.Count}, the best of them {model.History.BestEpoch}");
        yield return ("Steps", model.History.Steps.ToString("N0", CultureInfo.InvariantCulture));
        yield return ("Parameters", string.Create(CultureInfo.InvariantCulture, $"{model.History.TrainableParameters:N0} of {model.History.TotalParameters:N0} trained"));
        foreach (var setting in Calibration(model))
            yield return setting;
    }

    /// <summary>How a model's probabilities were calibrated, where they were.</summary>
    public static IEnumerable<(string Name, string Value)> Calibration(LoraTextTransformer model)
    {
        if (model.History.Calibration is { } calibration)
            yield return ("Calibration", string.Create(CultureInfo.InvariantCulture,
                $"{CalibrationFigures.Says(calibration.Temperature, calibration.Bend)}, fitted on {calibration.FittedRows} validation rows; error on rows not fitted on {calibration.ExpectedCalibrationError:0.000}, {calibration.UncalibratedError:0.000} without it"));
    }

    private static string Text(object? value) => value switch
    {
        null => "–",
        bool flag => flag ? "yes" : "no",
        string text => text,
        LoraInitialization start => Inspection.Measure.Strategy(start.ToJson()),
        FineTuningMethod method => method.Name,
        TargetModules modules => modules.Description,
        RobertaCheckpoint checkpoint => checkpoint.Id,
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        IDictionary { Count: 0 } => "–",
        IDictionary pairs => string.Join(", ", pairs.Keys.Cast<object>().Select(k => $"{k} = {Text(pairs[k])}")),
        IEnumerable items => string.Join(", ", items.Cast<object>().Select(Text)),
        _ => value.ToString() ?? "",
    };
}
