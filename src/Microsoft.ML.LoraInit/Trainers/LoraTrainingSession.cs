using System.Collections.Concurrent;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.MLNet;
using Microsoft.ML.LoraInit.Options;
using Microsoft.ML.LoraInit.Peft;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.LoraInit.Trainers;
using Microsoft.ML.LoraInit.Training;
using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Many trainings over one base model that are compared by their histories, such as a grid of initialisations, learning rates and
/// seeds: the base's weights are read once a device and precision, rows are read and tokenised once. A training is the one that the
/// trainer's <c>Fit</c> does, with equal results; the trained model is not kept. Several threads may use one session at a time.
/// </summary>
/// <example><code>
/// using var session = new LoraTrainingSession(ml, RobertaCheckpoint.Mini);
/// var rows = session.Prepare(train, validation, new LoraTextClassificationTrainer.Options());
/// foreach (var start in new[] { LoraInitialization.Kaiming(), LoraInitialization.Pissa() })
///     Console.WriteLine(session.Train(rows, new LoraTextClassificationTrainer.Options { Initialization = start }).Epochs[^1].Metrics);
/// </code></example>
public sealed class LoraTrainingSession : IDisposable
{
    private readonly SharedLifetime _lifetime;
    private readonly IHostEnvironment _environment;
    private readonly CheckpointFiles _files;
    private readonly SubwordTokenizer _tokenizer;
    private readonly ConcurrentDictionary<(string Device, ScalarType Type, BaseQuantization Quantization), Lazy<BaseWeights>> _weights = new();

    /// <summary>Opens the base model, which may have to be downloaded.</summary>
    /// <param name="ml">Gives seed, device and log where options do not.</param>
    /// <param name="baseModel">The base of all trainings.</param>
    /// <param name="cancellationToken">Ends a download.</param>
    /// <exception cref="InvalidDataException">The base model is damaged.</exception>
    public LoraTrainingSession(MLContext ml, RobertaCheckpoint baseModel, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(ml);
        ArgumentNullException.ThrowIfNull(baseModel);
        (_environment, BaseModel) = (ml, baseModel);
        _lifetime = new(Free, nameof(LoraTrainingSession));
        _files = baseModel.Open(null, cancellationToken);
        try
        {
            _tokenizer = _files.OpenTokenizer();
        }
        catch
        {
            _files.Dispose();
            throw;
        }
    }

    /// <summary>The base of all trainings.</summary>
    public RobertaCheckpoint BaseModel { get; }

    /// <summary>The base model's id: <c>mini</c>, a hub id, or a folder's name.</summary>
    public string BaseModelId => _files.Identity.Id;

    /// <summary>SHA-256 of the base model's weights, in lower-case hexadecimal.</summary>
    public string BaseModelSha256 => _files.Identity.Sha256;

    /// <summary>How large the base model is.</summary>
    public BaseModelShape Shape => BaseModelShape.Of(_files.Config);

    /// <summary>Refuses a method whose settings do not fit the base model, such as one that skips more layers than there are or fuses models of another base.</summary>
    /// <param name="method">The method.</param>
    /// <exception cref="ArgumentException">They do not fit; the message names the setting.</exception>
    public void Check(FineTuningMethod method)
    {
        ArgumentNullException.ThrowIfNull(method);
        using var use = _lifetime.Enter();
        method = FusionSources.Read(method);
        method.Validate(_files.Config);
        method.Validate(_files.Identity, null);
    }

    /// <summary>Reads, checks and tokenises rows.</summary>
    /// <param name="train">Rows to train on.</param>
    /// <param name="validation">Rows to validate on after each epoch, or null.</param>
    /// <param name="options">A trainer's options, whose type says what the label is; looked at are columns, <c>MaxLength</c>, <c>Progress</c> and <c>CancellationToken</c>.</param>
    /// <exception cref="ArgumentException">A column is missing or of another type, or an option is out of range.</exception>
    /// <exception cref="InvalidDataException">There are no rows, or a row has no valid label.</exception>
    /// <exception cref="OperationCanceledException">The options' token was cancelled.</exception>
    public PreparedRows Prepare(IDataView train, IDataView? validation, LoraTrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(train);
        using var use = _lifetime.Enter();
        var (own, kind) = Own(options, validation);
        var schemas = new TextTrainerRun(_environment, own).Check(train);
        var length = TextTrainerRun.CheckLength(own, _files.Config);
        var columns = TextTrainerRun.Columns(own);
        using var messages = new TrainingMessages(_environment, "LoRA preparation", own);
        var tokenizer = own.InitialAdapter is null
            ? _tokenizer.With(_tokenizer.Rule with { SpecialTokensAsText = own.SpecialTokensAsText })
            : TextTrainerRun.Tokenizer(_files, own);
        return new(
            kind.Label, schemas, validation, length,
            TextDatasetReader.Read(train, columns, kind.Label, tokenizer, length, messages, messages.Token, longText: own.LongText),
            schemas.Validation is null ? null : ValidationLabels.Named(() => TextDatasetReader.Read(schemas.Validation, columns, kind.Label, tokenizer, length, messages, messages.Token, training: false, own.LongText)))
        {
            LongText = own.LongText,
        };
    }

    /// <summary>Trains and validates after each epoch.</summary>
    /// <param name="rows">What <see cref="Prepare"/> made, of this session.</param>
    /// <param name="options">How: options of the same trainer, and of the same <c>MaxLength</c>, that the rows were prepared for. Columns, base model and what a saved model contains are not looked at.</param>
    /// <param name="adapterFolder">
    /// Where the trained adapter and its head are written, as <see cref="LoraTextTransformerExport.SavePeftAdapter"/> writes them, for
    /// <see cref="LoraTrainerOptions.InitialAdapter"/> of other trainings; null (the default) for nowhere. The folder must be new or empty,
    /// and its parent must exist. Nothing is written of a training that was cancelled.
    /// </param>
    /// <returns>How the training went.</returns>
    /// <exception cref="ArgumentException">An option is out of range, or does not fit the base model or the rows.</exception>
    /// <exception cref="NotSupportedException">An adapter is to be written, and the method has none, or its base was replaced (LoftQ, CLoQ), so that it has no exact form.</exception>
    /// <exception cref="IOException">The adapter's folder is not empty or cannot be written.</exception>
    /// <exception cref="InvalidDataException">The rows do not fit the task, such as one class only.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before an epoch had ended.</exception>
    /// <exception cref="ObjectDisposedException">The session was disposed.</exception>
    public TrainingHistory Train(PreparedRows rows, LoraTrainerOptions options, string? adapterFolder = null)
    {
        if (adapterFolder is not null)
            ArgumentException.ThrowIfNullOrWhiteSpace(adapterFolder);
        using var use = _lifetime.Enter();
        using var scope = NewDisposeScope(); // of the initial adapter
        var (own, task, train, initial, devices) = Checked(rows, options);
        if (adapterFolder is not null)
            CheckAdapter(own, adapterFolder);
        using var messages = new TrainingMessages(_environment, "LoRA fine-tuning", own);
        var weights = Weights(devices[0], own);
        using var result = FineTuningRun.Execute(new FineTuningRequest
        {
            Settings = own.ToSettings(),
            InitialAdapter = initial,
            Task = task,
            Train = train,
            Validation = rows.Validation,
            Base = weights,
            OtherDevices = [.. devices.Skip(1)],
            Seed = own.Seed ?? MLNetEnvironment.Seed(_environment) ?? 0,
            Progress = messages,
            CancellationToken = messages.Token,
            Log = messages.Log,
        });
        if (adapterFolder is not null && !result.History.Cancelled)
            AdapterFolder.Write(result.State, BaseModel, module => weights.Original($"{module}.weight").cpu(), adapterFolder);
        return result.History;
    }

    /// <summary>
    /// Refuses what <see cref="Train"/> would refuse before its first step, so that a grid of trainings learns of it before the first of
    /// them: options out of range, ranks and patterns that do not fit the base model, an initial adapter of another form, a device that is not there.
    /// </summary>
    /// <param name="rows">What <see cref="Prepare"/> made, of this session.</param>
    /// <param name="options">As of <see cref="Train"/>.</param>
    /// <exception cref="ArgumentException">An option is out of range, or does not fit the base model or the rows.</exception>
    /// <exception cref="InvalidDataException">The rows do not fit the task, or the initial adapter is damaged.</exception>
    public void Check(PreparedRows rows, LoraTrainerOptions options)
    {
        using var use = _lifetime.Enter();
        using var scope = NewDisposeScope(); // of the initial adapter
        _ = Checked(rows, options);
    }

    /// <summary>Frees the shared weights and closes the base's files once no training is under way; later calls throw <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose() => _lifetime.Close();

    private void Free()
    {
        foreach (var weights in _weights.Values.Where(w => w.IsValueCreated))
            weights.Value.Dispose();
        _files.Dispose();
    }

    /// <summary>All that is known before the weights: checked options, what is learnt of which rows, the initial adapter (of the dispose scope), devices.</summary>
    private (LoraTrainerOptions Options, TextTask Task, TextDataset Train, PeftWeights? Initial, IReadOnlyList<Device> Devices) Checked(PreparedRows rows, LoraTrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var (own, kind) = Own(options, rows.ValidationData);
        if (kind.Label != rows.Kind)
            throw new ArgumentException($"The rows were prepared for labels of the kind {rows.Kind} and the options, {options.GetType().FullName}, read {kind.Label}: prepare them with options of this trainer.", nameof(options));
        if ((own.MaxLength ?? _files.Config.MaxLength) != rows.MaxLength)
            throw new ArgumentException($"The rows were cut to {rows.MaxLength} tokens and MaxLength = {own.MaxLength?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "null"} asks for {own.MaxLength ?? _files.Config.MaxLength}: prepare them anew, or use the same length.", nameof(options));
        if (own.LongText != rows.LongText)
            throw new ArgumentException($"The rows were read with LongText = {rows.LongText}, and the options have {own.LongText}: prepare them anew, or use the same.", nameof(options));
        var task = kind.Scores(rows.Schemas.Label, rows.Schemas.LabelValues).Task;
        var train = rows.Train;
        if (kind.ClassWeights is { } classWeights)
        {
            ClassWeighting.Check(classWeights, task);
            (task, train) = ClassWeighting.Apply(classWeights, task, train);
        }
        train = train.Expanded();
        task = task.Smoothed(own.LabelSmoothing);
        var (_, initial) = TextTrainerRun.Check(own, _files.Config, task.OutputCount);
        own.Method.Validate(_files.Identity, own.BaseQuantization);
        task.Check(train, "training");
        if (rows.Validation is not null)
            task.Check(rows.Validation, "validation");
        var schedule = own.ToSettings().Schedule;
        own.Method.CheckRun((long)TrainingLoop.StepsPerEpoch(train.Texts.Length, schedule) * schedule.MaxEpochs);
        return (own, task, train, initial, ComputeDevice.ResolveAll(_environment, own));
    }

    /// <summary>A checked copy of options, over this session's base and the rows to validate on.</summary>
    private (LoraTrainerOptions Options, TrainerKind Kind) Own(LoraTrainerOptions options, IDataView? validation)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.ValidationData is not null || options.ValidationFraction > 0)
            throw new ArgumentException($"{nameof(options.ValidationData)} or {nameof(options.ValidationFraction)} is set: in a session the rows to validate on are given to {nameof(Prepare)}.", nameof(options));
        var own = options.Clone();
        own.BaseModel = BaseModel;
        own.ValidationData = validation;
        return (own, TrainerKind.Check(own));
    }

    // What can be said before the training.
    private static void CheckAdapter(LoraTrainerOptions options, string folder)
    {
        if (!options.Method.UsesAdapters)
            throw new NotSupportedException($"The method '{options.Method.Name}' trains no low-rank adapters, so that there is no adapter to write to '{folder}'. Use FineTuningMethod.Lora(), or write none.");
        if (options.Initialization.ReplacesBase)
            throw new NotSupportedException($"The initialisation '{options.Initialization.Name}' puts another base in the model's place, over which alone the adapter would fit, so that none is written to '{folder}'. Use another initialisation, or the trainer's Fit and SavePeftAdapter with a rank.");
        AtomicFolder.Check(folder);
    }

    private BaseWeights Weights(Device device, LoraTrainerOptions options)
    {
        var type = ComputeDevice.BaseType(options.Precision, device);
        var key = (device.ToString(), type, options.BaseQuantization);
        var lazy = _weights.GetOrAdd(key, _ => new(() =>
        {
            lock (_files)
                return _files.LoadWeights(device, type, options.BaseQuantization);
        }));
        try
        {
            return lazy.Value;
        }
        catch
        {
            // A Lazy keeps its exception; memory may have been short, and not be for the next training.
            _weights.TryRemove(KeyValuePair.Create(key, lazy));
            throw;
        }
    }
}
