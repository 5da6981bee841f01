using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Inference.Outputs;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>
/// What <c>Fit</c> does in the trainers: check → open the base → tokenise → train → build the model. Everything that can
/// be checked is checked before the step that takes long.
/// </summary>
/// <param name="environment">Gives seed, device and log where options do not.</param>
/// <param name="options">Checked.</param>
/// <param name="known">The model that learns further classes; null for a training from the base.</param>
internal sealed class TextTrainerRun(IHostEnvironment environment, LoraTrainerOptions options, KnownModel? known = null)
{
    private readonly TrainerKind _kind = TrainerKind.Of(options);
    private readonly TextColumns _columns = Columns(options);

    /// <summary>The columns that the options name.</summary>
    public static TextColumns Columns(LoraTrainerOptions options) =>
        new(options.TextColumnName, options.Text2ColumnName, options.LabelColumnName, options.ExampleWeightColumnName);

    /// <summary>What the schemas say, before any row is read.</summary>
    /// <param name="Outputs">The model's columns and its task.</param>
    /// <param name="Label">The label column of the training rows.</param>
    /// <param name="LabelValues">How many values it can take.</param>
    /// <param name="Validation">The options' rows to validate on, labelled as the training rows are; or null.</param>
    public sealed record Schemas(ScoreColumns Outputs, DataViewSchema.Column Label, int LabelValues, IDataView? Validation);

    /// <summary>Checks the columns.</summary>
    /// <param name="input">The training rows.</param>
    /// <exception cref="ArgumentException">A column is missing or of another type, or does not go with the options.</exception>
    public Schemas Check(IDataView input)
    {
        var classes = _columns.Check(input.Schema, _kind.Label);
        var label = input.Schema[options.LabelColumnName];
        if (_kind.Label == LabelKind.Key && classes < 2)
            throw new ArgumentOutOfRangeException(null, $"The label column '{label.Name}' is a key of {classes} value, so there is nothing to tell apart: classification needs at least two classes. Is the data empty, filtered, or sorted and cut?");
        var outputs = _kind.Scores(label, classes);
        TrainerSchema.CheckOutputs(_columns, outputs.Names);
        if (_kind.ClassWeights is { } classWeights)
            ClassWeighting.Check(classWeights, outputs.Task, known?.FirstLearnt(options.Method) ?? 0);
        _ = new ScoringSchema(input.Schema, _columns with { Label = null, Weight = null }, outputs); // the model's columns can be made from these
        return new(outputs, label, classes, Validation(label));
    }

    /// <param name="input">The training rows.</param>
    public FineTunedModel Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var (kind, classWeights) = (_kind.Label, _kind.ClassWeights);
        var (outputs, _, _, validation) = Check(input);
        var devices = ComputeDevice.ResolveAll(environment, options);
        var device = devices[0];

        using var messages = new TrainingMessages(environment, "LoRA fine-tuning", options);
        messages.Token.ThrowIfCancellationRequested();

        messages.Report(new() { Phase = TrainingPhase.LoadingModel, MaxEpochs = options.MaxEpochs, Message = $"Opening {options.BaseModel.Id}" });
        using var files = options.BaseModel.Open(messages, messages.Token);
        if (EncoderTensors.Foreign(files.TensorNames) is { Count: > 0 } foreign)
            messages.Log($"{options.BaseModel.Id}: {EncoderTensors.Ignored(foreign)}");
        using var scope = NewDisposeScope(); // of the initial adapter
        var (maxLength, initial) = Check(options, files.Config, outputs.Task.OutputCount);
        if (known is null)
            options.Method.Validate(files.Identity, options.BaseQuantization);
        var tokenizer = known?.Tokenizer(files) ?? Tokenizer(files, options);
        var saveMode = SaveModes.Choose(options.SaveMode, options.BaseModel, files, messages.Warn);

        var seed = options.Seed ?? MLNetEnvironment.Seed(environment) ?? 0;
        // The weights come to the device while the rows are read, and those to merge into while the model is trained.
        using var loading = new WeightsAhead(() => files.LoadWeights(device, ComputeDevice.BaseType(options.Precision, device), options.BaseQuantization));
        var (train, held) = loading.Meanwhile(stop => (
            TextDatasetReader.Read(input, _columns, kind, tokenizer, maxLength, messages, stop, longText: options.LongText),
            validation is null ? null : ValidationLabels.Named(() => TextDatasetReader.Read(validation, _columns, kind, tokenizer, maxLength, messages, stop, training: false, options.LongText))),
            messages.Token);
        if (options.ValidationFraction > 0)
            (train, held) = ValidationSplit.Split(train, options.ValidationFraction, seed);

        int cut = train.CutRows;
        if (cut > 0)
            messages.Warn(CutMessage(cut, train.Count, maxLength, options.LongText));

        var task = outputs.Task;
        var prior = known?.Prior(task) ?? task.PriorLogits(train.Labels, train.Weights);
        if (known is not null)
            task = known.Learning(options.Method, (MulticlassTask)task, train);
        if (classWeights is not null)
            (task, train) = ClassWeighting.Apply(classWeights, task, train);
        task = task.Smoothed(options.LabelSmoothing);

        var settings = new FineTunedModel.Settings(
            outputs, _columns with { Label = null, Weight = null }, maxLength, options.Precision, saveMode, tokenizer.Rule)
        { LongText = options.LongText };
        using var weights = loading.Take();
        // The merge starts from the file's numbers in fp32, as it does when a saved model is loaded.
        using var merging = weights.DType == ScalarType.Float32 && weights.Device.type == TorchSharp.DeviceType.CPU
            ? new WeightsAhead(weights.AddLease())
            : weights.IsQuantized ? null // who holds the base in 4 bits has little memory
            : new WeightsAhead(() => files.LoadWeights(CPU, ScalarType.Float32));
        var result = FineTuningRun.Execute(new FineTuningRequest
        {
            Settings = options.ToSettings(),
            InitialAdapter = initial,
            Known = known?.Model.State,
            Earlier = known?.Earlier,
            Task = task,
            Train = train.Expanded(),
            ClassWeights = classWeights == ClassWeights.None ? null : classWeights,
            Validation = held,
            Base = weights,
            OtherDevices = [.. devices.Skip(1)],
            Seed = seed,
            Progress = messages,
            CancellationToken = messages.Token,
            Log = messages.Log,
            Warn = messages.Warn,
        });
        var model = Finish(settings, result with { History = result.History with { CutRows = cut } }, files, tokenizer, device, merging);
        try
        {
            Calibrate(model, prior, held, seed, messages.Log);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>What the model answers to an empty text, and the temperature of its probabilities.</summary>
    private void Calibrate(FineTunedModel model, float[] prior, TextDataset? validation, int seed, Action<string> log)
    {
        // A run that was cancelled ends at once.
        var task = model.ModelSettings.Scores.Task;
        var (calibration, history) = options.TemperatureScaling && !model.History.Cancelled && TemperatureScaling.Fit(model, task, validation, seed, log) is { } fitted
            ? fitted
            : (ScoreCalibration.None, null);
        // The scores of an empty text are the rows' shares, whatever the temperature.
        model.Calibrate(calibration.WithEmpty(task, prior), history);
    }

    private FineTunedModel Finish(FineTunedModel.Settings settings, FineTuningResult result, CheckpointFiles files, SubwordTokenizer tokenizer, Device device, WeightsAhead? merging)
    {
        try
        {
            using var weights = merging?.Take() ?? files.LoadWeights(CPU, ScalarType.Float32);
            try
            {
                return FineTunedModel.Create(settings, result.State, result.History, options.BaseModel, tokenizer, weights, device);
            }
            catch (InvalidDataException e)
            {
                // The base's own numbers were looked at when they were read.
                throw TrainingDivergedException.After(result.History.Steps, "A weight of the merged model is beyond all measure or", cause: e);
            }
        }
        catch
        {
            result.State.Dispose();
            throw;
        }
    }

    private static string CutMessage(int cut, int rows, int length, LongText rule) =>
        $"{cut} of {rows} training rows are longer than {length} tokens: {(rule.Kind == LongTextKind.HeadAndTail ? "their middle" : "what is beyond")} is not read. {nameof(LoraTrainerOptions.LongText)} is '{rule}'; {nameof(LongText.HeadAndTail)} and {nameof(LongText.Windows)} read more.";

    /// <summary>The base's tokenizer, or the one that the adapter brings which training starts from.</summary>
    internal static SubwordTokenizer Tokenizer(CheckpointFiles files, LoraTrainerOptions options)
    {
        var tokenizer = options.InitialAdapter is { } folder ? files.OpenTokenizerOf(folder) : files.OpenTokenizer();
        return tokenizer.With(tokenizer.Rule with { SpecialTokensAsText = options.SpecialTokensAsText });
    }

    private IDataView? Validation(DataViewSchema.Column label)
    {
        if (options.ValidationData is null)
            return null;
        var view = _kind.Label == LabelKind.Key ? ValidationLabels.Align(options.ValidationData, label.Name, label) : options.ValidationData;
        try
        {
            var values = _columns.Check(view.Schema, _kind.Label);
            if (_kind.Label == LabelKind.Vector)
                ValidationLabels.CheckVector(view.Schema[label.Name], values, label);
        }
        catch (ArgumentException e)
        {
            throw new ArgumentException($"ValidationData: {e.Message}", e);
        }
        return view;
    }

    /// <summary>Checks the options against the base model.</summary>
    /// <returns>The longest sequence, and what <see cref="LoraTrainerOptions.InitialAdapter"/> names, in the caller's dispose scope.</returns>
    public static (int MaxLength, PeftWeights? InitialAdapter) Check(LoraTrainerOptions options, RobertaConfig config, int outputs)
    {
        var maxLength = CheckLength(options, config);
        if (options is not LoraNewClassesTrainer.Options)
            options.Method.Validate(config);
        QuantizationCheck.Method(options, AdapterPlanner.Modules(config).Select(m => m.Name));
        var initial = InitialAdapterFolder.Read(options, config, outputs);
        if (initial is null)
            foreach (var target in options.Method.Targets(options.ToAdapterSettings(), config))
                options.Initialization.Validate(target);
        return (maxLength, initial);
    }

    /// <summary>Checks the longest sequence against the base model.</summary>
    /// <returns>It.</returns>
    public static int CheckLength(LoraTrainerOptions options, RobertaConfig config) => options.MaxLength > config.MaxLength
        ? throw new ArgumentException($"MaxLength = {options.MaxLength} is more than the {config.MaxLength} tokens of '{options.BaseModel.Id}': use less, or null for the model's maximum.")
        : options.MaxLength ?? config.MaxLength;
}
