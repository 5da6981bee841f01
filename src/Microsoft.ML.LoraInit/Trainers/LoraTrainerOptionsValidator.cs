using System.Globalization;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.LoraInit.Peft;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>Checks options by themselves, before anything is opened. What depends on the base model is checked when that is known.</summary>
internal static class LoraTrainerOptionsValidator
{
    // <s> A </s></s> B </s> with one token each.
    internal const int ShortestLength = 6;

    /// <param name="options">The options.</param>
    /// <param name="outputs">The names of the columns to be written.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message names it, its value and what to do.</exception>
    public static void Check(LoraTrainerOptions options, IReadOnlyList<string?> outputs)
    {
        CheckColumns(options, outputs);
        Given(options.BaseModel, nameof(options.BaseModel), "choose RobertaCheckpoint.Mini, FromDirectory or FromHub");
        Given(options.Method, nameof(options.Method), "choose a FineTuningMethod, such as FineTuningMethod.Lora()");
        CheckAdapters(options);
        CheckFamily(options);
        InitialAdapterFolder.Check(options);
        CheckOptimisation(options);
        CheckValidation(options);
        CheckDevices(options);
        Given(options.LongText, nameof(options.LongText), "choose LongText.Truncate, HeadAndTail or Windows");
        Range(options.LabelSmoothing is >= 0 and < 1, nameof(options.LabelSmoothing), options.LabelSmoothing, "use a share from 0 to below 1");
        if (options.LabelSmoothing > 0 && options is LoraTextRegressionTrainer.Options)
            throw new ArgumentException($"{nameof(options.LabelSmoothing)} = {Text(options.LabelSmoothing)} has no meaning for numbers: set it to 0.");

        if (options.MaxLength is { } length)
            Range(length >= ShortestLength, nameof(options.MaxLength), length, $"use at least {ShortestLength} tokens, or null for the model's maximum");
        Range(Enum.IsDefined(options.Precision), nameof(options.Precision), options.Precision, "choose Auto, Float32 or BFloat16");
        if (options.SaveMode is { } mode)
            Range(Enum.IsDefined(mode), nameof(options.SaveMode), mode, "choose AdapterOnly or SelfContained, or null");
        if (options.CheckpointDirectory is { } directory && string.IsNullOrWhiteSpace(directory))
            throw new ArgumentException($"{nameof(options.CheckpointDirectory)} is empty: name a folder, or use null for no checkpoints.");
        if (options.CheckpointEverySteps is { } every)
        {
            Range(every >= 1, nameof(options.CheckpointEverySteps), every, "use at least 1, or null for one at every epoch's end");
            if (options.CheckpointDirectory is null)
                throw new ArgumentException($"{nameof(options.CheckpointEverySteps)} = {every} has no effect without {nameof(options.CheckpointDirectory)}: set that too, or leave both null.");
        }
    }

    /// <param name="options">The options.</param>
    /// <param name="metric">The metric that chooses the best epoch.</param>
    /// <exception cref="ArgumentException">It is none, or has nothing to choose by.</exception>
    public static void CheckMetric<T>(LoraTrainerOptions options, T metric)
        where T : struct, Enum
    {
        Range(Enum.IsDefined(metric), "ValidationMetric", metric, $"choose {string.Join(", ", Enum.GetNames<T>())}");
        if (!metric.Equals(default(T)) && options.ValidationData is null && options.ValidationFraction == 0)
            throw new ArgumentException($"ValidationMetric = {metric} has no effect without rows to validate on: set {nameof(options.ValidationData)} or {nameof(options.ValidationFraction)}.");
    }

    /// <exception cref="ArgumentException">It is null.</exception>
    public static void CheckClassWeights(ClassWeights weights) =>
        Given(weights, nameof(ClassWeights), "choose ClassWeights.None, Balanced or PerClass");

    /// <exception cref="ArgumentException">An option of the multi-label trainer alone is out of range.</exception>
    public static void CheckMultiLabel(LoraMultiLabelTextClassificationTrainer.Options options)
    {
        CheckClassWeights(options.ClassWeights);
        Range(options.PredictionThreshold is > 0 and < 1, nameof(options.PredictionThreshold), options.PredictionThreshold, "use a probability above 0 and below 1");
    }

    private static void CheckColumns(LoraTrainerOptions options, IReadOnlyList<string?> outputs)
    {
        Name(options.TextColumnName, nameof(options.TextColumnName));
        Name(options.LabelColumnName, nameof(options.LabelColumnName));
        if (options.Text2ColumnName is { } second)
            Name(second, nameof(options.Text2ColumnName));
        if (options.ExampleWeightColumnName is { } weight)
            Name(weight, nameof(options.ExampleWeightColumnName));
        if (outputs.Any(string.IsNullOrWhiteSpace))
            throw new ArgumentException("The name of an output column is empty: name the score, probability and predicted label columns, or leave their defaults.");
        if (outputs.GroupBy(o => o, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new ArgumentException($"Two output columns have the name '{twice.Key}': give the score, probability and predicted label columns different names.");
        if (options.TextColumnName == options.LabelColumnName)
            throw new ArgumentException($"{nameof(options.TextColumnName)} and {nameof(options.LabelColumnName)} are both '{options.TextColumnName}': name two columns.");

        static void Name(string? value, string option)
        {
            if (string.IsNullOrWhiteSpace(value))
                throw new ArgumentException($"{option} is empty: name a column of the data.");
        }
    }

    private static void CheckAdapters(LoraTrainerOptions options)
    {
        Range(options.Rank >= 1, nameof(options.Rank), options.Rank, "use a rank of at least 1");
        Range(options.Alpha > 0 && double.IsFinite(options.Alpha), nameof(options.Alpha), options.Alpha, "use a finite number above 0");
        Range(options.LoraDropout is >= 0 and < 1, nameof(options.LoraDropout), options.LoraDropout, "use a share from 0 to below 1");
        Given(options.TargetModules, nameof(options.TargetModules), "choose TargetModules.QueryValue, AllLinear, Named or Matching");
        Given(options.RankPattern, nameof(options.RankPattern), "leave it empty for one rank everywhere");
        Given(options.AlphaPattern, nameof(options.AlphaPattern), "leave it empty for one alpha everywhere");
        Given(options.Initialization, nameof(options.Initialization), "choose a LoraInitialization, such as LoraInitialization.Kaiming()");
        // A checkpoint may hold what it started from; without one there is nothing to start from.
        if (options is { Initialization: UnknownInitialization unknown, CheckpointDirectory: null, InitialAdapter: null })
            throw new ArgumentException($"{nameof(options.Initialization)}: {unknown.Obstacle}");
        Range(Enum.IsDefined(options.BaseQuantization), nameof(options.BaseQuantization), options.BaseQuantization, "choose None or Nf4");
        QuantizationCheck.Initialization(options);
        if (options.Method is LoraMethod lora)
        {
            Range(Enum.IsDefined(lora.Freeze), "Method.Freeze", lora.Freeze, "choose None, A or B");
            Range(Enum.IsDefined(lora.Bias), "Method.Bias", lora.Bias, "choose None, All or LoraOnly");
            if (options.InitialAdapter is null)
                lora.Check(options.Initialization);
        }
    }

    /// <summary>What a variant does not go with.</summary>
    private static void CheckFamily(LoraTrainerOptions options)
    {
        if (options.Method.DevicesObstacle is { } alone && options.Devices?.Count > 1 && options.InitialAdapter is null)
            throw Refused(nameof(options.Devices), options.Devices.Count, alone, "Name one device");
        if (options.Method is not LoraFamilyMethod method || options.InitialAdapter is not null)
            return;
        if (options.UseDora)
            throw Refused(nameof(options.UseDora), true, "its adapters are of another kind", "Turn it off, or choose FineTuningMethod.Lora()");
        if (method.Obstacle(options.Initialization) is { } obstacle)
            throw Refused(nameof(options.Initialization), options.Initialization.Name, obstacle, "Choose another initialisation, or another method");
        if (options.GradientPreconditioning != GradientPreconditioning.None)
            throw Refused(nameof(options.GradientPreconditioning), options.GradientPreconditioning, "the preconditioner is for plain LoRA", "Choose GradientPreconditioning.None, or FineTuningMethod.Lora()");
        if (method.RateObstacle is { } rate && options.LoraPlusRatio != 1)
            throw Refused(nameof(options.LoraPlusRatio), options.LoraPlusRatio, rate, "Leave the ratio at 1");
        if (method.CorrectsBase && options.BaseQuantization != BaseQuantization.None)
            throw Refused(nameof(options.BaseQuantization), options.BaseQuantization, "it changes the base's weights, which 4 bits cannot hold", "Choose BaseQuantization.None");

        ArgumentException Refused<T>(string option, T value, string why, string advice) =>
            new($"{option} = {Text(value)} does not go with the method '{options.Method.Name}': {why}. {advice}.");
    }

    private static void CheckOptimisation(LoraTrainerOptions options)
    {
        Range(options.MaxEpochs >= 1, nameof(options.MaxEpochs), options.MaxEpochs, "use at least 1");
        Range(options.BatchSize >= 1, nameof(options.BatchSize), options.BatchSize, "use at least 1");
        Range(options.GradientAccumulationSteps >= 1, nameof(options.GradientAccumulationSteps), options.GradientAccumulationSteps, "use at least 1");
        Range(options.InitialLearningRate > 0 && double.IsFinite(options.InitialLearningRate), nameof(options.InitialLearningRate), options.InitialLearningRate, "use a finite number above 0");
        Range(Enum.IsDefined(options.LearningRateSchedule), nameof(options.LearningRateSchedule), options.LearningRateSchedule, "choose Linear, Cosine or Constant");
        Range(options.WarmupRatio is >= 0 and < 1, nameof(options.WarmupRatio), options.WarmupRatio, "use a share from 0 to below 1");
        Range(options.LoraPlusRatio > 0 && double.IsFinite(options.LoraPlusRatio), nameof(options.LoraPlusRatio), options.LoraPlusRatio, "use a finite number above 0, or 1 for one rate");
        Range(Enum.IsDefined(options.GradientPreconditioning), nameof(options.GradientPreconditioning), options.GradientPreconditioning, "choose None or Riemannian");
        if (options.GradientPreconditioning != GradientPreconditioning.None && options.Method.UsesAdapters && options.Initialization.PreconditioningObstacle is { } obstacle)
            throw new ArgumentException($"GradientPreconditioning = {options.GradientPreconditioning} does not go with the initialisation '{options.Initialization.Name}': {obstacle}. Choose another initialisation, or GradientPreconditioning.None.");
        if (options.GradientPreconditioning != GradientPreconditioning.None && options.Method is LoraMethod { Freeze: not AdapterFactor.None } frozen)
            throw new ArgumentException($"GradientPreconditioning = {options.GradientPreconditioning} does not go with the method 'lora' with freeze = {frozen.Freeze}: the preconditioner is for two trained factors. Freeze none, or choose GradientPreconditioning.None.");
        Range(options.PreconditioningDamping > 0 && double.IsFinite(options.PreconditioningDamping), nameof(options.PreconditioningDamping), options.PreconditioningDamping, "use a finite number above 0");
        Range(options.WeightDecay >= 0 && double.IsFinite(options.WeightDecay), nameof(options.WeightDecay), options.WeightDecay, "use a finite number of at least 0");
        Range(options.MaxGradientNorm >= 0 && double.IsFinite(options.MaxGradientNorm), nameof(options.MaxGradientNorm), options.MaxGradientNorm, "use a finite number above 0, or 0 for no clipping");
    }

    private static void CheckValidation(LoraTrainerOptions options)
    {
        Range(options.ValidationFraction is >= 0 and < 1, nameof(options.ValidationFraction), options.ValidationFraction, "use a share from 0 to below 1");
        if (options.ValidationData is not null && options.ValidationFraction > 0)
            throw new ArgumentException($"{nameof(options.ValidationFraction)} = {Text(options.ValidationFraction)} and {nameof(options.ValidationData)} are both given: choose one of them.");
        if (options.EarlyStoppingPatience is { } patience)
        {
            Range(patience >= 1, nameof(options.EarlyStoppingPatience), patience, "use at least 1 epoch, or null for never");
            if (options.ValidationData is null && options.ValidationFraction == 0)
                throw new ArgumentException($"{nameof(options.EarlyStoppingPatience)} = {patience} needs rows to validate on: set {nameof(options.ValidationData)} or {nameof(options.ValidationFraction)}.");
        }
    }

    private static void CheckDevices(LoraTrainerOptions options)
    {
        if (options.Devices is not { } devices)
            return;
        const string Option = nameof(options.Devices);
        if (devices.Count == 0 || devices.Any(d => d is null))
            throw new ArgumentException($"{Option} {(devices.Count == 0 ? "is empty" : "contains null")}: name the devices, or use null for one by {nameof(options.Device)} or by MLContext.");
        var named = $"{Option} = [{string.Join(", ", devices)}]";
        if (options.Device is not null)
            throw new ArgumentException($"{named} and {nameof(options.Device)} = {options.Device} are both given: choose one of them.");
        if (devices.Count == 1)
            return;
        if (devices.FirstOrDefault(d => d.type != DeviceType.CUDA) is { } other)
            throw new ArgumentException($"{named}: several devices must all be CUDA devices, and '{other}' is none. Leave it out.");
        if (devices.GroupBy(ComputeDevice.Index).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new ArgumentException($"{named}: CUDA device {twice.Key} is named twice. Name each device once.");
        if (options.BatchSize < devices.Count)
            throw new ArgumentException($"{nameof(options.BatchSize)} = {options.BatchSize} leaves some of {named} without rows: use at least one row a device, or fewer devices.");
        if (options.BaseQuantization != BaseQuantization.None)
            throw new ArgumentException($"{nameof(options.BaseQuantization)} = {options.BaseQuantization} does not go with {named}: a base in 4 bits trains on one device. Name one, or choose BaseQuantization.None.");
    }

    private static void Given(object? value, string option, string advice)
    {
        if (value is null)
            throw new ArgumentException($"{option} is null: {advice}.");
    }

    private static void Range<T>(bool good, string option, T value, string advice)
    {
        if (!good)
            throw new ArgumentException($"{option} = {Text(value)} is out of range: {advice}.");
    }

    private static string Text<T>(T value) => string.Create(CultureInfo.InvariantCulture, $"{value}");
}
